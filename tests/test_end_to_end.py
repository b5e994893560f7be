"""The pipeline as DVC runs it, on a corpus of a few seconds, in a repository of its own."""

import json
import shutil

import pytest

from tests.repository import Repository

END = {"aggregate", "report"}


def put_back(repository):
    repository.run("git", "checkout", "--quiet", ".")
    repository.dvc("checkout", "--force")


def test_the_pipeline_ends_with_metrics_tables_and_page_and_nothing_to_do(repository):
    metrics = json.loads((repository.root / "reports" / "metrics.json").read_text())
    assert list(metrics) == ["SDR", "uSDR"]
    assert list(metrics["SDR"]) == ["mean", "vocals", "drums", "bass", "other"]
    assert (repository.root / "reports" / "tables" / "summary.md").exists()
    assert (repository.root / "reports" / "index.html").exists()
    assert repository.run("git", "status", "--porcelain") == ""
    assert repository.ran("repro") == set()


def test_an_experiment_reruns_what_it_concerns_and_its_undoing_nothing(repository):
    scored = repository.ran("exp", "run", "-S", "evaluation.window=0.5", "-S", "evaluation.hop=0.5")
    assert scored == {"evaluate", "baselines"} | END
    difference = json.loads(repository.dvc("metrics", "diff", "--json"))
    assert {"SDR.mean", "SDR.bass"} <= set(next(iter(difference.values())))
    table = repository.dvc("exp", "show", "--csv")
    assert "SDR.vocals" in table and "rnn.layers" in table
    repository.run("git", "checkout", "--quiet", "params.yaml")
    output = repository.dvc("repro")
    assert "Running stage" not in output
    assert "Stage 'evaluate' is cached - skipping run, checking out outputs" in output
    assert repository.run("git", "status", "--porcelain") == ""


def test_a_file_that_is_overwritten_in_place_is_restored(repository):
    path = min((repository.root / "data/corpus/train").glob("*/vocals.wav"))
    before = path.read_bytes()
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.write(bytes(1000))
    assert "modified" in repository.dvc("status", "download")
    assert repository.ran("repro", "download") == set()
    assert path.read_bytes() == before


def test_new_weights_of_the_model_to_start_from_are_seen(repository):
    start = repository.root / "my model"
    shutil.copytree(repository.root / "models", start)
    text = (repository.root / "params.yaml").read_text()
    (repository.root / "params.yaml").write_text(text.replace("start: null", "start: my model"))
    assert repository.ran("repro", "links") == {"links"}
    repository.dvc("commit", "--force", "train")  # as if it had been trained from this model
    assert "train" not in repository.dvc("status", "train")
    path = next(start.glob("*weights*"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"other")
    assert "data/start" in repository.dvc("status", "train")
    (repository.root / "params.yaml").write_text(text.replace("start: null", "start: models"))
    assert "DVC removes" in repository.dvc("repro", "links", code=255)
    shutil.rmtree(start)
    put_back(repository)
    assert repository.ran("repro") == {"links"}


def copied(repository, folder):
    """All that is in a repository, in another folder, where tests can do what they like."""
    shutil.copytree(repository.root, folder / "rnnsep", symlinks=True)
    shutil.rmtree(folder / "rnnsep/.dvc/tmp/exps", ignore_errors=True)  # the other's queue
    return Repository(folder / "rnnsep")


@pytest.mark.long
def test_a_change_of_the_network_trains_and_two_workers_give_the_bytes_of_one(repository):
    lock = repository.lock
    assert repository.ran("exp", "run", "-S", "rnn.layers=2") == {"train", "separate", "evaluate"} | END
    put_back(repository)
    assert len(repository.ran("repro", "--force")) > 5
    assert repository.lock == lock
    assert repository.run("git", "status", "--porcelain") == ""


@pytest.mark.long
def test_a_queued_experiment_runs_the_code_that_was_queued(repository):
    changes = ("-S", "evaluation.hop=0.9", "-S", "evaluation.window=0.8")
    repository.dvc("exp", "run", "--queue", "--name", "queued", *changes)
    spoilt = repository.root / "src/rnnsep/tables/statistics.py"
    spoilt.write_text("raise RuntimeError('the code of the workspace')\n")
    try:
        output = repository.dvc("exp", "run", "--run-all")
    finally:
        repository.run("git", "checkout", "--quiet", "src")
        repository.dvc("queue", "stop", "--kill")
    assert "Running stage 'aggregate'" in output
    assert "queued" in repository.dvc("exp", "list", "--name-only")


@pytest.mark.long
def test_temporary_and_queued_runs_give_the_bytes_of_the_first(repository):
    repository.dvc("exp", "run", "--queue", "--force", "--name", "queued-whole")
    repository.dvc("exp", "run", "--run-all")
    repository.dvc("exp", "run", "--temp", "--force", "--name", "temporary-whole")
    repository.dvc("queue", "stop", "--kill")
    for name in ("queued-whole", "temporary-whole"):
        reference = repository.run("git", "for-each-ref", "--format=%(refname)", f"refs/exps/**/{name}").strip()
        assert repository.run("git", "show", f"{reference}:dvc.lock") == repository.run("git", "show", "HEAD:dvc.lock")


def test_a_second_clone_gets_all_from_a_remote_and_runs_nothing(repository, tmp_path):
    def add_remote(one):
        one.dvc("remote", "add", "--local", "--default", "shared", str(tmp_path / "remote"))

    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first = copied(repository, tmp_path / "first")
    first.dvc("push", code=1)  # nothing leaves the machine before a remote is named
    add_remote(first)
    first.dvc("push", "--run-cache")
    first.run("git", "clone", "--quiet", str(first.root), str(tmp_path / "second" / "rnnsep"))
    second = Repository(tmp_path / "second" / "rnnsep")
    add_remote(second)
    second.dvc("pull", "--run-cache")
    assert second.ran("repro") == {"links"}  # which are in no cache
    assert second.run("git", "status", "--porcelain") == ""
    assert (second.root / "reports" / "index.html").read_bytes() == (first.root / "reports" / "index.html").read_bytes()
