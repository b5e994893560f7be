"""The pipeline as DVC runs it, on a corpus of a few seconds, in a repository of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

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


def copied(repository: Repository, folder: Path) -> Repository:
    """All that is in a repository, in another folder, where tests can do what they like."""
    shutil.copytree(repository.root, folder / "rnnsep")
    return Repository(folder / "rnnsep")


def test_experiments_of_a_sweep_run_side_by_side(repository: Repository, tmp_path: Path) -> None:
    dvc = (sys.executable, "-m", "dvc")
    own = copied(repository, tmp_path)  # DVC's queue cannot do with letters such as those of the other's path
    queued = own.run(*dvc, "exp", "run", "--queue", "-S", "evaluation.window=0.5,2", "-S", "evaluation.hop=0.5")
    assert queued.count("Queued experiment") == 2
    own.run(*dvc, "exp", "run", "--run-all", "--jobs", "2")
    assert own.run(*dvc, "queue", "status").count("Success") == 2
    shown = json.loads(own.run(*dvc, "exp", "show", "--json"))
    runs = [one["revs"][0]["data"] for rev in shown for one in rev.get("experiments") or []]
    scores = {
        run["params"]["params.yaml"]["data"]["evaluation"]["window"]: run["metrics"]["reports/metrics.json"]["data"]
        for run in runs
    }
    assert scores[0.5]["SDR"] != scores[2]["SDR"]
    assert own.run("git", "status", "--porcelain") == ""
    assert own.ran("repro") == set()


@pytest.fixture(params=["folder", "s3"])
def add_remotes(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Makes remotes of these names known to a repository: folders, or buckets of an S3 server on this machine."""
    dvc = (sys.executable, "-m", "dvc", "remote")
    if request.param == "folder":

        def add(repository: Repository, *names: str) -> None:
            for name in names:
                repository.run(*dvc, "add", "--local", name, str(tmp_path / "remotes" / name))

        yield add
        return
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    for name in ("shared", "music"):
        client.create_bucket(Bucket=name)

    def add_bucket(repository: Repository, *names: str) -> None:
        for name in names:
            repository.run(*dvc, "add", "--local", name, f"s3://{name}/rnnsep")
            repository.run(*dvc, "modify", "--local", name, "endpointurl", f"http://{host}:{port}")

    yield add_bucket
    server.stop()


def test_a_second_clone_gets_all_from_remotes_and_runs_nothing(
    repository: Repository, add_remotes: Callable[..., None], tmp_path: Path
) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
    first = copied(repository, tmp_path / "first")
    dvc = (sys.executable, "-m", "dvc")

    add_remotes(first, "shared")
    first.run(*dvc, "remote", "default", "--local", "shared")
    assert "remote 'music' doesn't exist" in first.run(*dvc, "push", code=1)  # where recordings go must be said
    add_remotes(first, "music")
    first.run(*dvc, "push", "--run-cache")

    # whoever has both remotes
    first.run("git", "clone", "--quiet", str(first.root), str(tmp_path / "second" / "rnnsep"))
    second = Repository(tmp_path / "second" / "rnnsep")
    add_remotes(second, "shared", "music")
    second.run(*dvc, "remote", "default", "--local", "shared")
    second.run(*dvc, "pull", "--run-cache")
    assert second.ran("repro") == set()
    assert second.run("git", "status", "--porcelain") == ""
    assert (second.root / "reports" / "index.html").read_bytes() == (first.root / "reports" / "index.html").read_bytes()
    (second.root / "dvc.lock").unlink()  # as if nobody had said which results these are: the run-cache knows
    assert second.ran("repro") == {"aggregate"}  # whose metrics are in git, not in a cache
    assert second.run("git", "status", "--porcelain") == ""

    # whoever has the shared one alone: no recording, in whatever way one asks
    first.run("git", "clone", "--quiet", str(first.root), str(tmp_path / "third" / "rnnsep"))
    third = Repository(tmp_path / "third" / "rnnsep")
    add_remotes(third, "shared")
    third.run(*dvc, "remote", "default", "--local", "shared")
    third.run(*dvc, "remote", "add", "--local", "music", str(tmp_path / "nothing"))
    third.run(*dvc, "pull", "models", "reports/tables")
    third.run(*dvc, "fetch", "--all-commits", "--run-cache", "--remote", "shared")
    assert (third.root / "models" / "model.weights.h5").exists()
    lock = yaml.safe_load((third.root / "dvc.lock").read_text())["stages"]
    hashes = {out["path"]: out["md5"] for stage in lock.values() for out in stage["outs"] if "md5" in out}
    fetched = {"".join(path.parts[-2:]) for path in (third.root / ".dvc" / "cache" / "files").rglob("*")}
    assert hashes["models"] in fetched
    for out in ("data/corpus", "data/features", "data/estimates", "reports/index.html"):
        assert hashes[out] not in fetched
    assert third.ran("repro", "--allow-missing") == set()
