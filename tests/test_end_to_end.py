"""The pipeline as DVC runs it, on a corpus of a few seconds, in a repository of its own."""

import json

import pytest

from tests.repository import Repository


def test_the_pipeline_ends_with_metrics_tables_and_page(repository: Repository) -> None:
    metrics = json.loads((repository.root / "reports" / "metrics.json").read_text())
    assert set(metrics["SDR"]) == {"vocals", "drums", "bass", "other"}
    assert (repository.root / "reports" / "tables" / "summary.md").exists()
    assert (repository.root / "reports" / "index.html").exists()
    assert repository.run("git", "status", "--porcelain") == ""


def test_a_second_run_has_nothing_to_do(repository: Repository) -> None:
    assert repository.ran("repro") == set()


def test_a_forced_run_with_two_workers_gives_the_bytes_of_the_first_with_one(repository: Repository) -> None:
    lock = repository.lock
    assert len(repository.ran("repro", "--force")) > 5
    assert repository.lock == lock
    assert repository.run("git", "status", "--porcelain") == ""


def test_experiments_rerun_what_they_concern_and_can_be_compared(repository: Repository) -> None:
    assert repository.ran("exp", "run", "-S", "rnn.layers=2") == {
        "train",
        "separate",
        "evaluate",
        "aggregate",
        "report",
    }
    difference = json.loads(repository.dvc("metrics", "diff", "--json"))
    assert {"SDR.vocals", "SIR.bass"} <= set(next(iter(difference.values())))
    repository.run("git", "checkout", "--quiet", ".")
    repository.dvc("checkout")
    scored = repository.ran("exp", "run", "-S", "evaluation.window=0.5", "-S", "evaluation.hop=0.5")
    assert scored == {"evaluate", "baselines", "aggregate", "report"}
    table = repository.dvc("exp", "show", "--csv")
    assert "SDR.vocals" in table
    assert "rnn.layers" in table
    repository.run("git", "checkout", "--quiet", ".")
    repository.dvc("checkout")
    assert repository.ran("repro") == set()


def test_a_parameter_there_and_back_is_restored_without_running(repository: Repository) -> None:
    text = (repository.root / "params.yaml").read_text()
    (repository.root / "params.yaml").write_text(text.replace("shared_array: false", "shared_array: true"))
    assert repository.ran("repro") == {"aggregate"}
    (repository.root / "params.yaml").write_text(text)
    output = repository.dvc("repro")
    assert "Running stage" not in output
    assert "Stage 'aggregate' is cached - skipping run, checking out outputs" in output
    assert repository.run("git", "status", "--porcelain") == ""


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
    output = repository.dvc("exp", "run", "-S", change, code=255)
    assert message in output
    assert "Traceback" not in output
    repository.run("git", "checkout", "--quiet", ".")
    repository.dvc("checkout")
