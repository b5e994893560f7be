"""Stages as processes, on a pipeline of one small stage."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"

PIPELINE = """
stages:
  count:
    cmd: python stages/run.py counting.count data/numbers data/counted
    deps: [src/counting.py, data/numbers]
    params: [count.step]
    outs: [data/counted]
"""

SCRIPT = """
import os, signal, sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from rnnsep.params import Range
from rnnsep.running import files

@dataclass(frozen=True)
class CountParams:
    step: Annotated[int, Range(1)]

def count(numbers: Path, counted: Path, count: CountParams) -> None:
    for number in numbers.read_text().split():
        target = counted / number
        if target.exists():
            print("kept", number)
            continue
        print("made", number, flush=True)
        files.write_text(target, str(int(number) * count.step))
        (counted / ".partial-1-2-x").touch()  # of a writer that was killed or given up for lost
        if os.environ.get("KILL_AFTER") == number:
            os.kill(os.getpid(), signal.Signals[os.environ.get("KILL_WITH", "SIGKILL")])
        if os.environ.get("FULL_AFTER") == number:
            Path("/dev/full").write_text("no space")
        if os.environ.get("OUT_OF_MEMORY_AFTER") == number:
            bytearray(1 << 62)
        if os.environ.get("WAIT_AFTER") == number:
            sys.stdin.readline()
"""


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "stages").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("count:\n  step: 2\n")
    shutil.copy(SRC.parent / "stages" / "run.py", tmp_path / "stages")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "counting.py").write_text(SCRIPT)
    (tmp_path / "data" / "numbers").write_text("1 2 3")
    return tmp_path


def start(project: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "stages/run.py", "counting.count", "data/numbers", "data/counted"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(SRC)} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs inherit it ignored
    )


def run(project: Path, **environment: str) -> tuple[int, str, str]:
    process = start(project, **environment)
    printed, err = process.communicate()
    return process.returncode, printed, err


def counted(project: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (project / "data" / "counted").iterdir()}


MADE, KEPT = ("".join(f"{what} {number}\n" for number in (1, 2, 3)) for what in ("made", "kept"))


def test_what_is_finished_is_kept_until_dvc_has_recorded_it(project):
    assert run(project) == (0, MADE, "")
    assert counted(project) == {"1": "2", "2": "4", "3": "6"}
    shutil.rmtree(project / "data" / "counted")  # as DVC does where it was killed before it could record the outs
    assert run(project) == (0, KEPT, "")
    assert counted(project) == {"1": "2", "2": "4", "3": "6"}
    assert len(list((project / ".cache" / "count").iterdir())) == 2
    (project / "dvc.lock").touch()
    assert run(project) == (0, MADE, "")
    (project / "dvc.lock").touch()
    assert run(project, KILL_AFTER="1")[0] == -signal.SIGKILL
    assert len(list((project / ".cache" / "count").iterdir())) == 1, "the first run's folder is gone"


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("params.yaml", "count:\n  step: 3\n", "params.yaml"),
        ("src/counting.py", SCRIPT + "\n# changed\n", "src/counting.py"),
        ("data/folder/new", "", "data/folder"),
        ("dvc.yaml", PIPELINE.replace("cmd: python", "cmd: python3"), "dvc.yaml"),
    ],
)
def test_nothing_is_published_for_inputs_that_changed_meanwhile(project, file, content, what):
    """DVC would record the code and the values that are there at the end."""
    (project / "data" / "folder").mkdir()
    (project / "dvc.yaml").write_text(PIPELINE.replace("data/numbers]", "data/numbers, data/folder]"))
    if file == "dvc.yaml":
        content = content.replace("data/numbers]", "data/numbers, data/folder]")
    process = start(project, WAIT_AFTER="1")
    assert process.stdout and process.stdout.readline() == "made 1\n"
    before = (project / file).read_text() if (project / file).exists() else None
    (project / file).write_text(content)
    _, err = process.communicate("\n")
    assert process.returncode == 1
    assert err.startswith(f"count: {what} was changed while this stage ran")
    assert err.count("\n") == 1
    assert not (project / "data" / "counted").exists()
    if before is None:
        (project / file).unlink()
    else:
        (project / file).write_text(before)
    assert run(project) == (0, KEPT, "")


GROWING = (
    SCRIPT.replace("class CountParams:", "class CountParams:\n    top: int")
    .replace("in numbers.read_text().split()", "in map(str, range(1, recipe.count.top + 1))")
    .replace("counted / number\n", 'counted.parent / f"kept-{number}"\n')
    .replace("files.write_text(target,", "target.touch(); files.write_text(counted / number,")
    .replace("count.step", "recipe.count.step")
    .replace("count: CountParams)", "recipe: Recipe)")
    .replace(
        "def count",
        """@dataclass(frozen=True)
class Recipe:
    count: CountParams
    continued = ("count.top",)
    kept = ("kept-*", "curves")

def count""",
    )
)


def test_a_run_with_more_of_a_growing_parameter_continues_what_a_finished_one_kept(project):
    def scratch() -> list[list[str]]:
        """What lies in each scratch folder: those that were pruned in the order in which they were, then the last."""

        def pruned(folder: Path) -> float:
            mark = folder / "recorded"
            return mark.stat().st_mtime_ns if mark.exists() else float("inf")

        folders = sorted((project / ".cache" / "count").glob("?" * 12), key=pruned)
        return [sorted(path.name for path in folder.iterdir()) for folder in folders]

    def count(top: int, step: int = 2) -> str:
        (project / "params.yaml").write_text(f"count:\n  top: {top}\n  step: {step}\n")
        code, out, err = run(project)
        assert (code, err) == (0, "")
        (project / "dvc.lock").touch()
        return out

    (project / "dvc.yaml").write_text(PIPELINE.replace("count.step", "count"))
    (project / "src" / "counting.py").write_text(GROWING)
    assert count(top=1) == "made 1\n"
    assert scratch() == [["counted", "kept-1"]]
    assert count(top=2) == "kept 1\nmade 2\n"
    assert scratch() == [["counted", "kept-1", "kept-2"]]
    next((project / ".cache" / "count").glob("*/counted")).with_name("curves").mkdir()
    assert count(top=1, step=3) == "made 1\n"
    assert scratch() == [["curves", "kept-1", "kept-2", "recorded"], ["counted", "kept-1"]]
    assert count(top=1, step=4) == "made 1\n"
    assert scratch() == [["curves", "recorded"], ["kept-1", "recorded"], ["counted", "kept-1"]]
    assert count(top=3) == "made 1\nmade 2\nmade 3\n", "only the last one keeps files"


def test_a_killed_stage_publishes_nothing_and_goes_on_where_it_was(project):
    code, out, _ = run(project, KILL_AFTER="2")
    assert (code, out) == (-signal.SIGKILL, "made 1\nmade 2\n")
    assert not (project / "data" / "counted").exists()
    assert run(project) == (0, "kept 1\nkept 2\nmade 3\n", "")
    assert counted(project) == {"1": "2", "2": "4", "3": "6"}


def test_a_process_that_helps_another_runs_beside_it_and_leaves_nothing(project):
    first = start(project, WAIT_AFTER="1")
    assert first.stdout
    assert first.stdout.readline() == "made 1\n"
    config = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    assert run(project, TF_CONFIG=json.dumps(config)) == (0, "made 1\nmade 2\nmade 3\n", "")
    assert not (project / "data" / "counted").exists()
    first.communicate("\n")
    assert counted(project) == {"1": "2", "2": "4", "3": "6"}


def test_state_of_another_run_is_not_taken_up(project):
    run(project, KILL_AFTER="2")
    with open(project / "src" / "counting.py", "a") as script:
        script.write("\n# changed\n")
    assert run(project) == (0, MADE, "")


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ({"KILL_AFTER": "1", "KILL_WITH": "SIGINT"}, 130, "interrupted; finished work is kept, dvc repro resumes"),
        ({"FULL_AFTER": "1"}, 1, "No space left on device; finished work is kept, dvc repro resumes"),
        ({"OUT_OF_MEMORY_AFTER": "1"}, 1, "not enough memory; RNNSEP_WORKERS=1 needs least"),
    ],
)
def test_what_ends_a_stage_from_outside_is_one_line_and_it_resumes(project, fault, code, message):
    assert run(project, **fault) == (code, "made 1\n", f"count: {message}\n")
    assert run(project) == (0, "kept 1\nmade 2\nmade 3\n", "")


def test_a_second_run_waits_and_takes_what_the_first_made(project):
    first = start(project, WAIT_AFTER="1")
    assert first.stdout and first.stdin
    assert first.stdout.readline() == "made 1\n"
    second = start(project)
    assert second.stderr
    assert "waiting" in second.stderr.readline()
    first.communicate("\n")
    out, _ = second.communicate()
    assert second.returncode == 0
    assert out == KEPT
    assert counted(project) == {"1": "2", "2": "4", "3": "6"}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("params.yaml", "count:\n  step: 0\n", "count: count.step: must be at least 1, not 0"),
        ("params.yaml", "count: {}\n", "count: count.step: missing; add it to params.yaml"),
        ("params.yaml", "[", "count: params.yaml: not valid YAML: "),
        (
            "dvc.yaml",
            PIPELINE.replace("count.step", "count.stop"),
            "count: dvc.yaml: params: count.stop is declared, but the stage does not read it",
        ),
        (
            "dvc.yaml",
            PIPELINE.replace("numbers]", "none]"),
            "count: data/none: no such file or folder; dvc repro creates what is missing",
        ),
        (
            "dvc.yaml",
            PIPELINE.replace("outs: [data/counted]", "outs: [data/other]"),
            "count: the output data/other of dvc.yaml is not an argument; run: python stages/run.py",
        ),
    ],
)
def test_bad_parameters_are_one_line_and_exit_code_1(project, file, content, message):
    (project / file).write_text(content)
    code, _, err = run(project)
    assert code == 1
    assert err.startswith(message)
    assert err.count("\n") == 1
