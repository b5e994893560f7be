"""What TensorBoard and DVC find while a network is trained."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rnnsep.learning.training import train
from rnnsep.learning.watching import LIVE, wanted
from rnnsep.params import changed
from rnnsep.running import files
from tests.learning.small import RECIPE, SHORT
from tests.learning.test_training import contents, without

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
CONSTANT = SHORT | {"training.schedule": "constant"}


def watched(features: Path, folder: Path, epochs: int, watched: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    train(features, folder / "models", changed(RECIPE, CONSTANT | {"training.epochs": epochs}), watched)
    return folder / "models"


def events(folder: Path):  # type: ignore[no-untyped-def]  # TensorBoard has no types
    return accumulator.EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def steps(folder: Path, tag: str) -> list[int]:
    return [event.step for event in events(folder).Tensors(tag)]


@pytest.mark.usefixtures("eager")
def test_a_watched_training_has_the_same_bytes_and_its_curves_continue(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    live: dict[str, str] = {}
    write = files.write_text

    def seen(path: Path, text: str) -> None:
        if LIVE in path.parents:
            live[path.relative_to(LIVE).as_posix()] = text
        write(path, text)

    monkeypatch.setattr(files, "write_text", seen)
    plain = contents(watched(features, tmp_path / "plain", 2, watched=False))
    assert not live
    watched(features, tmp_path / "run", 1)
    models = watched(features, tmp_path / "run", 2)
    assert contents(models) == plain
    assert not LIVE.exists()
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == ["checkpoint.npz", "models"]

    train_run, valid_run = tmp_path / "run" / "train", tmp_path / "run" / "valid"
    figures = [f"epoch/{name}" for name in ("frames_per_second", "gradient_norm", "learning_rate", "loss")]
    assert sorted(events(train_run).Tags()["tensors"]) == figures
    for tag in figures:
        assert steps(train_run, tag) == [1, 2]
    assert steps(valid_run, "epoch/loss") == [1, 2]
    history = [line.split("\t") for line in (models / "history.tsv").read_text().splitlines()[1:]]
    stored = [float(tf.make_ndarray(event.tensor_proto)) for event in events(valid_run).Tensors("epoch/loss")]
    np.testing.assert_allclose(stored, [float(row[2]) for row in history], rtol=1e-5)

    assert json.loads(live["metrics.json"])["step"] == 2
    assert live["plots/metrics/valid/loss.tsv"].splitlines() == ["step\tloss", *(f"{r[0]}\t{r[2]}" for r in history)]


@pytest.mark.usefixtures("eager")
def test_a_training_without_validation_songs_has_curves(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    watched(without("valid", features, tmp_path / "features"), tmp_path / "run", 1)
    assert steps(tmp_path / "run" / "train", "epoch/loss") == [1]
    assert not (tmp_path / "run" / "valid").exists()


def test_curves_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wanted()
    monkeypatch.setenv("RNNSEP_WATCH", "0")
    assert not wanted()
