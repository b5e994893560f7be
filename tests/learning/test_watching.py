"""What TensorBoard finds while a network is trained."""

import numpy as np
import pytest
import tensorflow as tf

from rnnsep.learning.training import train
from rnnsep.params import changed
from tests.learning.small import RECIPE, SHORT
from tests.learning.test_training import contents

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def watched(features, folder, epochs, watched=True):
    folder.mkdir(exist_ok=True)
    changes = SHORT | {"training.schedule": "constant", "training.epochs": epochs}
    train(features, folder / "models", changed(RECIPE, changes), watched=watched)
    return folder / "models"


@pytest.mark.usefixtures("eager")
def test_a_watched_training_has_the_same_bytes_and_its_curves_continue(features, tmp_path):
    plain = contents(watched(features, tmp_path / "plain", 2, watched=False))
    watched(features, tmp_path / "run", 1)
    models = watched(features, tmp_path / "run", 2)
    assert contents(models) == plain
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == ["checkpoint.npz", "models"]
    train_run, valid_run = (
        accumulator.EventAccumulator(str(tmp_path / "run" / name), size_guidance={"tensors": 0}).Reload()
        for name in ("train", "valid")
    )
    figures = [f"epoch/{name}" for name in ("frames_per_second", "gradient_norm", "learning_rate", "loss")]
    assert sorted(train_run.Tags()["tensors"]) == figures
    for run, tag in (*((train_run, tag) for tag in figures), (valid_run, "epoch/loss")):
        assert [event.step for event in run.Tensors(tag)] == [1, 2]
    history = [line.split("\t") for line in (models / "history.tsv").read_text().splitlines()[1:]]
    stored = [float(tf.make_ndarray(event.tensor_proto)) for event in valid_run.Tensors("epoch/loss")]
    np.testing.assert_allclose(stored, [float(row[2]) for row in history], rtol=1e-5)
