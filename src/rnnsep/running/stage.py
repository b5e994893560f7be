"""A stage of dvc.yaml as a process: its parameters checked, its outs whole, its work resumable.

`run(Parameters, main)` is all that a stage script calls. It

1. reads the stage's entry in dvc.yaml and refuses to go on unless the declared params are exactly the leaf keys of
   `Parameters`, so that nothing undeclared can be read;
2. parses params.yaml into `Parameters`;
3. takes the stage's lock and opens a scratch folder `.cache/<stage>/<key>`, where the key is a hash of the declared
   params, code and data, so that state of another run is never taken up;
4. calls `main(parameters, *paths)`, with the paths of the command line, each out replaced by a path in the scratch
   folder, which still holds what a killed run had finished;
5. moves the outs to their places and removes the scratch folder.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from rnnsep import params
from rnnsep.running import files
from rnnsep.running.errors import UserError

P = TypeVar("P")

SCRATCH = Path(".cache")


def run(parameters: type[P], main: Callable[..., None], helps: Callable[[], bool] = lambda: False) -> None:
    """Run the stage whose script this process was started with (see the module's text). Exits 1 on `UserError`.

    Where `helps()`, this process is one that helps another, which runs the stage: what it writes itself is dropped.
    """
    name = Path(sys.argv[0]).stem
    try:
        _run(name, parameters, main, [Path(argument) for argument in sys.argv[1:]], helps())
    except UserError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        print(f"{name}: interrupted; what is finished is kept, dvc repro goes on from there", file=sys.stderr)
        sys.exit(130)


def _run(name: str, parameters: type[P], main: Callable[..., None], arguments: list[Path], helps: bool) -> None:
    pipeline = params.read_yaml(Path("dvc.yaml"))["stages"]
    stage = pipeline[name]
    read = set(params.leaf_keys(parameters))
    if read != set(stage.get("params", [])):
        difference = ", ".join(sorted(read ^ set(stage.get("params", []))))
        raise UserError(f"dvc.yaml: the params of stage {name} are not those that it reads: {difference}")
    document = params.read_yaml(Path("params.yaml"))
    params.refuse_unknown(document, declared_params(pipeline), Path("params.yaml"))
    parsed = params.select(parameters, document)

    outs = _outs(stage)
    if helps:
        with tempfile.TemporaryDirectory() as folder:
            main(parsed, *(Path(folder) / one.name if one in outs else one for one in arguments))
        return
    lock = FileLock(SCRATCH / f"{name}.lock")
    SCRATCH.mkdir(exist_ok=True)
    try:
        lock.acquire(timeout=0)
        waited = False
    except Timeout:
        print(f"{name}: another run of this stage is at work here; waiting for it", flush=True)
        lock.acquire()
        waited = True
    with lock:
        key = _key(stage, asdict(parsed))  # type: ignore[call-overload]
        done = SCRATCH / name / "done"
        if waited and all(out.exists() for out in outs) and done.exists() and done.read_text() == key:
            print(f"{name}: the other run has just made what this one would", flush=True)
            return
        scratch = SCRATCH / name / key
        scratch.mkdir(parents=True, exist_ok=True)
        files.remove_partial(scratch)
        place = {out: scratch / out.name for out in outs}
        main(parsed, *(place.get(argument, argument) for argument in arguments))
        files.remove_partial(scratch)  # of a worker that was given up for lost while it was not
        for out in outs:
            files.publish(place[out], out)
        files.write_text(done, key)
        shutil.rmtree(scratch)


def declared_params(pipeline: dict[str, Any]) -> set[str]:
    """Dotted keys that any stage of the pipeline declares."""
    return {key for stage in pipeline.values() for key in stage.get("params", [])}


def _outs(stage: dict[str, Any]) -> list[Path]:
    """Paths of a stage's outs, metrics and plots; an entry is a path, or a mapping of one path to its flags."""
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    return [Path(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def _key(stage: dict[str, Any], values: dict[str, Any]) -> str:
    content = [stage["cmd"], values, files.digest(Path(dep) for dep in stage.get("deps", []))]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
