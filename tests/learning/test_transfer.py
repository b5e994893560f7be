"""Trainings that start from a trained model."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from rnnsep.network.model import load_model, model_digest
from rnnsep.network.packaged import cards
from rnnsep.params import ParamError
from tests.learning.small import SHORT, run

HEADS = {"mask.local": (2,), "mask.convolution": 2}
STILL = SHORT | HEADS | {"training.epochs": 1, "training.learning_rate": 0.0}

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def trained(features, tmp_path_factory):
    """A model with weights that belong to sources in three heads."""
    tf.config.run_functions_eagerly(True)  # this fixture is set up before `eager`
    changes = SHORT | HEADS | {"training.epochs": 1}
    return run(features, tmp_path_factory.mktemp("trained"), changes)


def weights(models):
    return dict(load_model(models).networks[0].weights)


def test_a_training_that_changes_nothing_ends_with_the_weights_that_it_started_from(
    trained, features, tmp_path, capsys
):
    folder = tmp_path / "start"
    shutil.copytree(trained, folder)
    models = run(features, tmp_path, STILL | {"training.start": str(folder)})
    count = len(weights(trained))
    assert f"starting from {count} of {count} arrays of weights of {folder}\n" in capsys.readouterr().out
    for path, weight in weights(trained).items():
        np.testing.assert_array_equal(weights(models)[path], weight)
    provenance = json.loads((models / "model.json").read_text())["provenance"]
    assert provenance["start"] == f"{folder.name} {model_digest(folder)[:12]}"
    assert "start" not in json.loads((trained / "model.json").read_text())["provenance"]
    # another model in the same folder restarts the training
    with np.load(trained / "weights.npz") as stored:
        np.savez(folder / "weights.npz", **{name: 2 * array for name, array in stored.items()})
    for path, weight in weights(run(features, tmp_path, STILL | {"training.start": str(folder)})).items():
        np.testing.assert_array_equal(weight, 2 * weights(trained)[path])


def test_layers_of_another_shape_are_named_and_start_at_random(trained, features, tmp_path, capsys):
    models = run(features, tmp_path, STILL | {"training.start": str(trained), "rnn.layers": 3, "rnn.bottleneck": 5})
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("starting from "))
    assert line.endswith("; not from entry/dense, entry/norm, recurrent_1/forward, recurrent_3/forward, "
                         "exit/dense, exit/norm, heads, local, convolution")  # fmt: skip
    both = weights(trained), weights(models)
    kept = [path for path in both[0] if np.array_equal(both[0][path], both[1][path])]
    assert "recurrent_2/forward/kernel" in kept
    assert "heads/kernel" not in kept


def test_weights_of_other_sources_are_not_taken(trained, features, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(trained, other)
    (other / "model.json").write_text((other / "model.json").read_text().replace('"low"', '"bass"'))
    models = run(features, tmp_path / "new", STILL | {"training.start": str(other)})
    assert "; not from heads, local, convolution\n" in capsys.readouterr().out
    own = load_model(other).networks[0].architecture.of_sources
    assert own >= {"heads/kernel", "heads/bias", "local/weight", "local/gate_kernel", "convolution/out"}
    before, after = weights(other), weights(models)
    taken = {path for path in before if np.array_equal(before[path], after[path])}
    assert taken.isdisjoint(path for path in own if before[path].any())
    assert taken >= set(before) - own


def test_models_of_which_no_weights_fit_are_one_line(trained, features, tmp_path):
    changes = {"rnn.cell": "lstm", "rnn.units": 7, "input.bandwidth": 2000.0, "mask.local": None, "mask.convolution": 0}
    for start in (cards()[-1].folder, trained):
        with pytest.raises(ParamError, match=r"^training\.start: no weights of .* fit this network"):
            run(features, tmp_path, STILL | changes | {"training.start": str(start)})
