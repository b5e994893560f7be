"""Stages as processes, on a pipeline of one small stage."""

import json
import shutil
import signal

import pytest

from tests import processes

PIPELINE = """
stages:
  count:
    cmd: python stages/run.py counting.count data/numbers data/counted
    deps: [src/counting.py, data/folder, data/numbers]
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
def project(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "data" / "folder").mkdir(parents=True)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("count:\n  step: 2\n")
    shutil.copy(processes.ROOT / "stages" / "run.py", tmp_path / "stages")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "counting.py").write_text(SCRIPT)
    (tmp_path / "data" / "numbers").write_text("1 2 3")
    return tmp_path


ARGUMENTS = ("stages/run.py", "counting.count", "data/numbers", "data/counted")


def start(project, **variables):
    """The stage, when it has made the number 1 and waits for a line."""
    process = processes.start(*ARGUMENTS, cwd=project, WAIT_AFTER="1", **variables)
    assert process.stdout.readline() == "made 1\n"
    return process


def run(project, **variables):
    return processes.run(*ARGUMENTS, cwd=project, **variables)


def counted(project):
    return {path.name: path.read_text() for path in (project / "data" / "counted").iterdir()}


RESUMES = "finished work is kept, dvc repro resumes\n"
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
    process, path = start(project), project / file
    before = path.read_text() if path.exists() else None
    path.write_text(content)
    _, err = process.communicate("\n")
    assert process.returncode == 1
    assert err.startswith(f"count: {what} was changed while this stage ran")
    assert err.count("\n") == 1
    assert not (project / "data" / "counted").exists()
    if before is None:
        path.unlink()
    else:
        path.write_text(before)
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
    def scratch():
        """What lies in each scratch folder: those that were pruned in the order in which they were, then the last."""

        def pruned(folder):
            mark = folder / "recorded"
            return mark.stat().st_mtime_ns if mark.exists() else float("inf")

        folders = sorted((project / ".cache" / "count").glob("?" * 12), key=pruned)
        return [sorted(path.name for path in folder.iterdir()) for folder in folders]

    def count(top, step=2):
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


def test_a_process_that_helps_another_runs_beside_it_and_leaves_nothing(project):
    first = start(project)
    config = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    assert run(project, TF_CONFIG=json.dumps(config)) == (0, MADE, "")
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
        ({"KILL_AFTER": "1"}, -signal.SIGKILL, ""),
        ({"KILL_AFTER": "1", "KILL_WITH": "SIGINT"}, 130, f"count: interrupted; {RESUMES}"),
        ({"FULL_AFTER": "1"}, 1, f"count: No space left on device; {RESUMES}"),
        ({"OUT_OF_MEMORY_AFTER": "1"}, 1, "count: not enough memory; RNNSEP_WORKERS=1 needs least\n"),
    ],
)
def test_what_ends_a_stage_from_outside_is_one_line_and_it_resumes(project, fault, code, message):
    assert run(project, **fault) == (code, "made 1\n", message)
    assert not (project / "data" / "counted").exists()
    assert run(project) == (0, "kept 1\nmade 2\nmade 3\n", "")
    assert counted(project) == {"1": "2", "2": "4", "3": "6"}


def test_a_second_run_waits_and_takes_what_the_first_made(project):
    first = start(project)
    second = processes.start(*ARGUMENTS, cwd=project)
    assert "waiting" in second.stderr.readline()
    first.communicate("\n")
    assert second.communicate()[0] == KEPT
    assert second.returncode == 0
    assert counted(project) == {"1": "2", "2": "4", "3": "6"}


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("params.yaml", "step: 2", "step: 0", "count.step: must be at least 1, not 0"),
        ("params.yaml", "\n  step: 2", " {}", "count.step: missing; add it to params.yaml"),
        ("params.yaml", "count:", "[", "params.yaml: not valid YAML: "),
        ("params.yaml", "count:", "x: {y: 1}\ncount:", "params.yaml: x.y: unknown key; known keys: "),
        ("dvc.yaml", "count.step", "count.stop", "dvc.yaml: params: count.stop is declared, but the stage does not"),
        ("dvc.yaml", "numbers]", "none]", "data/none: no such file or folder; dvc repro creates what is missing"),
        ("dvc.yaml", "[data/counted]", "[data/other]", "the output data/other of dvc.yaml is not an argument; run: "),
    ],
)
def test_bad_parameters_are_one_line_and_exit_code_1(project, file, old, new, message):
    (project / file).write_text((project / file).read_text().replace(old, new))
    code, _, err = run(project)
    assert code == 1
    assert err.startswith(f"count: {message}")
    assert err.count("\n") == 1
