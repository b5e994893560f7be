"""A stage of dvc.yaml as a process: checked parameters, atomic outputs, resumable work.

A stage script calls `run(main)`. Those arguments of `main` that are dataclasses are sections of params.yaml; the others
are the paths of the command line. `run`

1. reads the stage's entry in dvc.yaml and checks that its params are exactly those of these sections;
2. parses params.yaml into them;
3. takes the stage's lock and opens a scratch folder `.cache/<stage>/<key>`; the key is a hash of the declared params,
   code and data, so that the state of a different run is never reused;
4. calls `main(*sections, *paths)`, with each output replaced by a path in the scratch folder, which still holds what a
   killed run had finished;
5. stops if params, code or data were changed meanwhile, since DVC would record the new ones;
6. links the outputs to their places. The scratch folder stays until DVC has recorded them: if DVC is killed before, it
   removes the outputs and runs the stage again.

A stage may keep some of its scratch folder for later runs, and may leave parameters out of the key whose change
continues a run instead of starting another (see `Reuse`).
"""

import errno
import hashlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass, make_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from rnnsep.running.packages import PIPELINE, require

require("av", "numpy", "scipy", *PIPELINE)  # first, so that a Python without them is one clear message

from filelock import FileLock, Timeout

IS_STAGE = Path(sys.argv[0]).parent.name == "stages" and signal.getsignal(signal.SIGINT) is signal.default_int_handler
if IS_STAGE:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules are imported, Ctrl-C needs no traceback

from rnnsep import params
from rnnsep.running import files
from rnnsep.running.errors import UserError, one_line

P = TypeVar("P")

SCRATCH = Path(".cache")
# a file next to the scratch folders of a stage: the key of the last one that was published, and what to keep of it
FINISHED = "finished"
RECORDED = "recorded"  # marks a scratch folder that was pruned
OF_THE_MACHINE = {  # errors that are no fault of the code; NumPy gives no number where a disk is full
    None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE,
}  # fmt: skip
DVC_LOCK = Path("dvc.lock")  # DVC writes it whenever it has recorded the outs of a stage


@dataclass(frozen=True)
class Reuse:
    """
    What later runs of a stage reuse of a finished one.

    growing: dotted parameters that are not part of the key; a run with another value continues in the same folder.
    keeps: patterns of names in the scratch folder, each with the number of the most recent runs that keep these.
    """

    growing: Collection[str] = ()
    keeps: Mapping[str, int] = field(default_factory=dict)


def sections(main: Callable[..., None]) -> type:
    """A dataclass of the sections of params.yaml that are arguments of `main`."""
    hints = {name: hint for name, hint in get_type_hints(main).items() if is_dataclass(hint)}
    return make_dataclass("Sections", hints.items(), frozen=True)


def run(
    main: Callable[..., None],
    whole: type[P] | None = None,
    helps: Callable[[], bool] = lambda: False,
    reuse: Callable[[P], Reuse] = lambda _: Reuse(),
) -> None:
    """Run the stage of this process's script (see above). Exits with 1 and one line on errors that a user can fix.

    `main` gets one object of the class `whole`, if there is one, instead of a section for each argument. If `helps()`,
    another process runs the stage and this one only helps: its outputs are discarded.
    """
    name, parameters = Path(sys.argv[0]).stem, whole or sections(main)
    if whole is None:
        split = main
        main = lambda parsed, *paths: split(*vars(parsed).values(), *paths)  # noqa: E731
    if IS_STAGE:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _run(name, parameters, main, [Path(argument) for argument in sys.argv[1:]], helps(), reuse)
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


def _run(
    name: str,
    parameters: type[P],
    main: Callable[..., None],
    arguments: list[Path],
    helps: bool,
    reuse: Callable[[P], Reuse],
) -> None:
    if helps:
        stage, parsed = _read(name, parameters)
        outs = _outs(stage)
        with tempfile.TemporaryDirectory() as folder:
            main(parsed, *(Path(folder) / one.name if one in outs else one for one in arguments))
        return
    SCRATCH.mkdir(exist_ok=True)
    with _alone(name):
        stage, parsed = _read(name, parameters)
        outs = _outs(stage)
        if missing := set(outs) - set(arguments):
            raise UserError(f"the output {min(missing)} of dvc.yaml is not an argument; run: {stage['cmd']}")
        _remove_recorded()
        state = _state(stage, parsed)
        reused = reuse(parsed)
        scratch = SCRATCH / name / _key(stage, parsed, reused.growing)
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / RECORDED).unlink(missing_ok=True)
        files.remove_partial(scratch)
        place = {out: scratch / out.name for out in outs}
        main(parsed, *(place.get(argument, argument) for argument in arguments))
        files.remove_partial(scratch)  # of a worker that was considered lost
        for what, now in _state(*_read(name, parameters)).items():
            if now != state.get(what):
                raise UserError(
                    f"{what} was changed while this stage ran, so its results are outdated; run again"
                    " (undo the change first to keep the finished work)"
                )
        for out in outs:
            files.publish(place[out], out)
        kept = [f"{number} {pattern}" for pattern, number in reused.keeps.items()]
        files.write_text(SCRATCH / name / FINISHED, "\n".join([scratch.name, *kept]))


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


def _read(name: str, parameters: type[P]) -> tuple[dict[str, Any], P]:
    """The stage's entry in dvc.yaml, and its parameters from params.yaml."""
    pipeline = params.read_yaml(Path("dvc.yaml"))["stages"]
    document = params.read_yaml(Path("params.yaml"))
    stage = pipeline[name]
    params.check_declared(parameters, stage.get("params", []), document)
    entries = {entry for stage in pipeline.values() for entry in stage.get("params", [])}
    params.refuse_unknown(document, entries, Path("params.yaml"))
    return stage, params.select(parameters, document)


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


def _key(stage: dict[str, Any], parsed: Any, growing: Collection[str]) -> str:
    """A hash of the command, the parameters except `growing`, and the contents of all dependencies.

    Linked data is compared by name, size and mtime, not hashed: a user's songs may take long to read.
    """
    values = asdict(params.changed(parsed, dict.fromkeys(growing)))
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
    """Remove the scratch folders of finished stages whose outputs DVC has recorded, except for what they keep."""
    for finished in SCRATCH.glob(f"*/{FINISHED}"):
        if DVC_LOCK.exists() and DVC_LOCK.stat().st_mtime_ns > finished.stat().st_mtime_ns:
            key, *kept = finished.read_text(encoding="utf-8").splitlines()
            keeps = {pattern: int(number) for number, pattern in (line.split(" ", 1) for line in kept)}
            if (finished.parent / key).exists():
                _prune(finished.parent, key, keeps)
            finished.unlink()


def _prune(folder: Path, key: str, keeps: Mapping[str, int]) -> None:
    """Keep of the scratch folder `key` what matches `keeps`, and of older ones no more than `keeps` allows."""
    kept = {path for pattern in keeps for path in (folder / key).glob(pattern)}
    for path in set((folder / key).iterdir()) - kept:
        _remove(path)
    (folder / key / RECORDED).touch()
    recorded = sorted(folder.glob(f"*/{RECORDED}"), key=lambda mark: mark.stat().st_mtime_ns, reverse=True)
    for pattern, number in keeps.items():
        having = [found for mark in recorded if (found := list(mark.parent.glob(pattern)))]
        for path in (path for found in having[number:] for path in found):
            _remove(path)
    for mark in recorded:
        if list(mark.parent.iterdir()) == [mark]:
            _remove(mark.parent)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
