"""A stage of dvc.yaml as a process: checked parameters, atomic outputs, resumable work.

A stage script calls `run(Parameters, main)`, which

1. reads the stage's entry in dvc.yaml and checks that its params are exactly what `Parameters` reads;
2. parses params.yaml into `Parameters`;
3. takes the stage's lock and opens a scratch folder `.cache/<stage>/<key>`; the key is a hash of the declared params,
   code and data, so that the state of a different run is never reused;
4. calls `main(parameters, *paths)` with the paths of the command line, each output replaced by a path in the scratch
   folder, which still holds what a killed run had finished;
5. stops if params, code or data were changed meanwhile, since DVC would record the new ones;
6. links the outputs to their places. The scratch folder stays until DVC has recorded them: if DVC is killed before, it
   removes the outputs and runs the stage again.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from rnnsep import params
from rnnsep.running import files
from rnnsep.running.errors import UserError

P = TypeVar("P")

SCRATCH = Path(".cache")
FINISHED = "finished"  # a file next to the scratch folders of a stage: the key of the last one that was published
DVC_LOCK = Path("dvc.lock")  # DVC writes it whenever it has recorded the outs of a stage


def run(parameters: type[P], main: Callable[..., None], helps: Callable[[], bool] = lambda: False) -> None:
    """Run the stage of this process's script (see above). Exits with 1 on `UserError`.

    If `helps()`, another process runs the stage and this one only helps: its outputs are discarded.
    """
    name = Path(sys.argv[0]).stem
    try:
        _run(name, parameters, main, [Path(argument) for argument in sys.argv[1:]], helps())
    except UserError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        print(f"{name}: interrupted; finished work is kept, dvc repro resumes", file=sys.stderr)
        sys.exit(130)


def _run(name: str, parameters: type[P], main: Callable[..., None], arguments: list[Path], helps: bool) -> None:
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
        scratch = SCRATCH / name / _key(stage, parsed)
        scratch.mkdir(parents=True, exist_ok=True)
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
        files.write_text(SCRATCH / name / FINISHED, scratch.name)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Hold the stage's lock. A second run waits for it and then uses what the first has finished."""
    lock = FileLock(SCRATCH / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{name}: another run of this stage is active here; waiting for it", flush=True)
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
    entries = [entry for stage in pipeline.values() for entry in stage.get("params", [])]
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


def _key(stage: dict[str, Any], parsed: Any) -> str:
    """A hash of the command, the parameters and the contents of all dependencies.

    Of what lies behind a link, names, sizes and dates count: a user's songs may take long to read.
    """
    deps = _deps(stage)
    linked = [files.stamps(dep) for dep in deps if dep.is_symlink()]
    content = [stage["cmd"], asdict(parsed), files.digest(dep for dep in deps if not dep.is_symlink()), linked]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _state(stage: dict[str, Any], parsed: Any) -> dict[str, Any]:
    """What must not change while the stage runs: code by content, data by names, sizes and dates."""
    deps = {
        str(dep): files.stamps(dep) if dep.is_dir() and dep.parts[0] != "src" else files.digest([dep])
        for dep in _deps(stage)
    }
    return {"dvc.yaml": stage, "params.yaml": asdict(parsed), **deps}


def _remove_recorded() -> None:
    """Remove the scratch folders of finished stages whose outputs DVC has recorded."""
    for finished in SCRATCH.glob(f"*/{FINISHED}"):
        if DVC_LOCK.exists() and DVC_LOCK.stat().st_mtime_ns > finished.stat().st_mtime_ns:
            shutil.rmtree(finished.parent / finished.read_text(encoding="utf-8"), ignore_errors=True)
            finished.unlink()
