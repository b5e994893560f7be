"""A stage of dvc.yaml as a process: checked parameters, atomic outputs, resumable work.

`run` calls a function. Those of its arguments that are dataclasses are sections of params.yaml under the
same name, or `recipe`, all sections in one object; the others are the paths of the command line. `run`

1. reads the stage's entry in dvc.yaml and checks that its params are exactly those of these sections;
2. parses params.yaml into them;
3. takes the stage's lock and opens a scratch folder `.cache/<stage>/<key>`; the key is a hash of the declared params,
   code and data, so that the state of a different run is never reused;
4. calls the function, with each output replaced by a path in the scratch folder, which still holds what a killed run
   had finished;
5. stops if params, code or data were changed meanwhile, since DVC would record the new ones;
6. links the outputs to their places. The scratch folder stays until DVC has recorded them: if DVC is killed before, it
   removes the outputs and runs the stage again.

The parameters may have attributes `continued`, keys whose change continues a run instead of starting another, and
`kept`, patterns of what later runs or the user need of the scratch folder.
"""

import errno
import hashlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass, make_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_type_hints

from rnnsep.running.packages import PIPELINE, require

require("av", "numpy", "scipy", *PIPELINE)  # first, so that a Python without them is one clear message

from filelock import FileLock, Timeout

IS_STAGE = Path(sys.argv[0]).parent.name == "stages" and signal.getsignal(signal.SIGINT) is signal.default_int_handler
if IS_STAGE:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules are imported, Ctrl-C needs no traceback

from rnnsep import params
from rnnsep.running import files
from rnnsep.running.errors import UserError, one_line
from rnnsep.running.helpers import helps

SCRATCH = Path(".cache")
FINISHED = "finished"  # a file next to the scratch folders of a stage: the key of the last one published, what to keep
RECORDED = "recorded"  # marks a scratch folder that was pruned
KEPT = 10  # pruned scratch folders of a stage
OF_THE_MACHINE = {  # errors that are no fault of the code; NumPy gives no number where a disk is full
    None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE,
}  # fmt: skip
DVC_LOCK = Path("dvc.lock")  # DVC writes it whenever it has recorded the outs of a stage


def function_of(dotted: str) -> Callable[..., None]:
    """The function that the command of a stage names, such as `rnnsep.scoring.evaluation.score_estimates`."""
    module, _, name = dotted.rpartition(".")
    function: Callable[..., None] = getattr(import_module(module), name)
    return function


def document_class(function: Callable[..., None]) -> type:
    """A dataclass of the sections of params.yaml that `function` reads: of its argument `recipe`, or of all others."""
    found = {name: hint for name, hint in get_type_hints(function).items() if is_dataclass(hint)}
    return cast(type, found["recipe"]) if "recipe" in found else make_dataclass("Document", found.items(), frozen=True)


def run() -> None:
    """Run the stage of this process's command (see above). Exits with 1 and one line on errors that a user can fix."""
    dotted, *arguments = sys.argv[1:]
    name, function = dotted.rpartition(".")[2], function_of(dotted)
    if IS_STAGE:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        stages = params.read_yaml(Path("dvc.yaml"))["stages"]
        name = next((name for name, stage in stages.items() if dotted in stage["cmd"].split()), name)
        _run(name, function, [Path(argument) for argument in arguments])
    except UserError as error:
        sys.exit(f"{name}: {error}")
    except MemoryError as error:
        size = f" ({one_line(str(error))})" if str(error) else ""
        sys.exit(f"{name}: not enough memory{size}; RNNSEP_WORKERS=1 needs least")
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(one_line(f"{name}: {where}{error.strerror or error}; finished work is kept, dvc repro resumes"))
    except KeyboardInterrupt as interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to be interrupted
        done = f" ({interrupt})" if str(interrupt) else ""
        print(f"{name}: interrupted{done}; finished work is kept, dvc repro resumes", file=sys.stderr)
        sys.exit(130)


def _run(name: str, function: Callable[..., None], arguments: list[Path]) -> None:
    cls = document_class(function)

    def call(parsed: Any, place: dict[Path, Path]) -> None:
        sections = {"recipe": parsed} if "recipe" in get_type_hints(function) else vars(parsed)
        function(*(place.get(argument, argument) for argument in arguments), **sections)

    if helps():  # another process runs the stage
        stage, parsed = _read(name, cls)
        with tempfile.TemporaryDirectory() as folder:
            call(parsed, {out: Path(folder) / out.name for out in _outs(stage)})
        return
    SCRATCH.mkdir(exist_ok=True)
    with _alone(name):
        stage, parsed = _read(name, cls)
        outs = _outs(stage)
        if missing := set(outs) - set(arguments):
            raise UserError(f"the output {min(missing)} of dvc.yaml is not an argument; run: {stage['cmd']}")
        _remove_recorded()
        state = _state(stage, parsed)
        scratch = SCRATCH / name / _key(stage, parsed)
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / RECORDED).unlink(missing_ok=True)
        files.remove_partial(scratch)
        place = {out: scratch / out.name for out in outs}
        call(parsed, place)
        files.remove_partial(scratch)  # of a worker that was considered lost
        for what, now in _state(*_read(name, cls)).items():
            if now != state.get(what):
                raise UserError(
                    f"{what} was changed while this stage ran, so its results are outdated; run again"
                    " (undo the change first to keep the finished work)"
                )
        for out in outs:
            files.publish(place[out], out)
        files.write_text(SCRATCH / name / FINISHED, "\n".join([scratch.name, *getattr(parsed, "kept", ())]))


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Hold the stage's lock. A second run waits for it and then uses what the first has finished."""
    lock = FileLock(SCRATCH / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{name}: another run of this stage is active here; waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read(name: str, cls: type) -> tuple[dict[str, Any], Any]:
    """The stage's entry in dvc.yaml, and its parameters from params.yaml."""
    pipeline = params.read_yaml(Path("dvc.yaml"))["stages"]
    document = params.read_yaml(Path("params.yaml"))
    if name not in pipeline:
        raise UserError(f"dvc.yaml: no stage runs {name}")
    stage = pipeline[name]
    params.check_declared(cls, stage.get("params", []), document)
    entries = {entry for stage in pipeline.values() for entry in stage.get("params", [])}
    params.refuse_unknown(document, entries, Path("params.yaml"))
    return stage, params.select(cls, document)


def _outs(stage: dict[str, Any]) -> list[Path]:
    """Paths of a stage's outputs, metrics and plots; an entry is a path, or a mapping of a path to its flags."""
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    return [Path(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def _deps(stage: dict[str, Any]) -> list[Path]:
    """Paths of a stage's deps. Raises `UserError` if one is missing."""
    deps = [Path(dep) for dep in stage.get("deps", [])]
    for dep in deps:
        if not dep.exists():
            raise UserError(f"{dep}: no such file or folder; dvc repro creates what is missing")
    return deps


def _key(stage: dict[str, Any], parsed: Any) -> str:
    """A hash of the command, the parameters except those `continued`, and the contents of all dependencies.

    Linked data is compared by name, size and mtime, not hashed: a user's songs may take long to read.
    """
    values = asdict(params.changed(parsed, dict.fromkeys(getattr(parsed, "continued", ()))))
    deps = _deps(stage)
    linked = [files.stamps(dep) for dep in deps if dep.is_symlink()]
    content = [stage["cmd"], values, files.digest(dep for dep in deps if not dep.is_symlink()), linked]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _state(stage: dict[str, Any], parsed: Any) -> dict[str, Any]:
    """What must not change while the stage runs: code by content, data by names, sizes and dates."""
    deps = {
        str(dep): files.stamps(dep) if dep.is_dir() and dep.parts[0] != "src" else files.digest([dep])
        for dep in _deps(stage)
    }
    return {"dvc.yaml": stage, "params.yaml": asdict(parsed), **deps}


def _remove_recorded() -> None:
    """Remove the scratch folders of finished stages whose outputs DVC has recorded, except for what is to be kept.

    The newest one keeps all of that, the other `KEPT` only folders.
    """
    for finished in SCRATCH.glob(f"*/{FINISHED}"):
        if not DVC_LOCK.exists() or DVC_LOCK.stat().st_mtime_ns <= finished.stat().st_mtime_ns:
            continue
        key, *patterns = finished.read_text(encoding="utf-8").splitlines()
        scratch = finished.parent / key
        kept = {path for pattern in patterns for path in scratch.glob(pattern)}
        for path in set(scratch.glob("*")) - kept:
            _remove(path)
        if kept:
            (scratch / RECORDED).touch()
        elif scratch.exists():
            scratch.rmdir()
        recorded = sorted(finished.parent.glob(f"*/{RECORDED}"), key=lambda mark: mark.stat().st_mtime_ns)
        for mark in recorded[:-1]:
            for path in mark.parent.iterdir():
                if path.is_file() and path != mark:
                    path.unlink()
        for mark in recorded[:-KEPT]:
            _remove(mark.parent)
        finished.unlink()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
