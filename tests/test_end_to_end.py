"""The pipeline as DVC runs it, on a corpus of a few seconds, in a repository of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SMALL = {
    "corpus": {"synthetic": {"seed": 1, "train_songs": 3, "valid_songs": 1, "test_songs": 2, "seconds": 3.0}},
    "stft": {"sample_rate": 22050, "window": 1024, "hop": 512},
    "rnn": {"layers": 1, "units": 16},
    "sampling": {"frames": 32, "batch": 4, "steps": 5},
    "training": {"epochs": 2},
}


def merge(document: dict, changes: dict) -> dict:  # type: ignore[type-arg]
    for key, value in changes.items():
        document[key] = merge(document[key], value) if isinstance(value, dict) else value
    return document


class Repository:
    """A git and DVC repository; commands run in it with nothing but this interpreter and git on PATH."""

    def __init__(self, root: Path):
        self.root = root
        tools = root.parent / "bin"
        tools.mkdir()
        for tool in ("git", "uname"):
            found = shutil.which(tool)
            if found:
                (tools / tool).symlink_to(found)
        self.environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{tools}"}

    def run(self, *command: str, code: int = 0) -> str:
        process = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert process.returncode == code, process.stdout
        return process.stdout

    def ran(self, *command: str) -> set[str]:
        """Names of the stages that a DVC command ran."""
        return set(re.findall(r"^Running stage '(\w+)'", self.run(sys.executable, "-m", "dvc", *command), re.MULTILINE))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    root = tmp_path_factory.mktemp("end to end") / "a repository [ü]"
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / ".dvc" / "plots", root / ".dvc" / "plots")
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "reports").mkdir()
    document = merge(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")), SMALL)
    (root / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    repository = Repository(root)
    repository.run("git", "init", "--quiet", "--initial-branch=main")
    repository.run("git", "config", "user.email", "test@example.org")
    repository.run("git", "config", "user.name", "Test")
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message", "start")
    stages = set(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert repository.ran("repro") == stages
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message", "first results")
    return repository


def test_the_pipeline_ends_with_metrics_tables_and_page(repository: Repository) -> None:
    metrics = json.loads((repository.root / "reports" / "metrics.json").read_text())
    assert set(metrics["SDR"]) == {"vocals", "drums", "bass", "other"}
    assert (repository.root / "reports" / "tables" / "summary.md").exists()
    assert (repository.root / "reports" / "index.html").exists()
    assert repository.run("git", "status", "--porcelain") == ""


def test_a_second_run_has_nothing_to_do(repository: Repository) -> None:
    assert repository.ran("repro") == set()


def test_a_forced_run_gives_the_same_bytes(repository: Repository) -> None:
    lock = (repository.root / "dvc.lock").read_bytes()
    assert len(repository.ran("repro", "--force")) > 5
    assert (repository.root / "dvc.lock").read_bytes() == lock
    assert repository.run("git", "status", "--porcelain") == ""


def test_experiments_rerun_what_they_concern_and_can_be_compared(repository: Repository) -> None:
    assert repository.ran("exp", "run", "-S", "rnn.layers=2") == {
        "train",
        "separate",
        "evaluate",
        "aggregate",
        "report",
    }
    difference = json.loads(repository.run(sys.executable, "-m", "dvc", "metrics", "diff", "--json"))
    assert {"SDR.vocals", "SIR.bass"} <= set(next(iter(difference.values())))
    repository.run("git", "checkout", "--quiet", ".")
    repository.run(sys.executable, "-m", "dvc", "checkout")
    scored = repository.ran("exp", "run", "-S", "evaluation.window=0.5", "-S", "evaluation.hop=0.5")
    assert scored == {"evaluate", "baselines", "aggregate", "report"}
    table = repository.run(sys.executable, "-m", "dvc", "exp", "show", "--csv")
    assert "SDR.vocals" in table
    assert "rnn.layers" in table
    repository.run("git", "checkout", "--quiet", ".")
    repository.run(sys.executable, "-m", "dvc", "checkout")
    assert repository.ran("repro") == set()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stft.hop=4096", "stft.hop"),
        ("rnn.layers=0", "rnn.layers: must be at least 1, not 0"),
        ("training.epochs=two", "training.epochs: must be a whole number, not 'two'"),
        ("corpus.name=folder", "corpus.path"),
    ],
)
def test_bad_parameters_end_an_experiment_with_one_clear_line(
    repository: Repository, change: str, message: str
) -> None:
    output = repository.run(sys.executable, "-m", "dvc", "exp", "run", "-S", change, code=255)
    assert message in output
    assert "Traceback" not in output
    repository.run("git", "checkout", "--quiet", ".")
    repository.run(sys.executable, "-m", "dvc", "checkout")
