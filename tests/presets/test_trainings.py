"""Small trainings of five presets, which differ most, have the losses that were recorded for them.

To compare the bytes of the weights of all presets before and after a change on one machine:

    python -m tests.presets.test_trainings > before
"""

import contextlib
import hashlib
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rnnsep import params
from rnnsep.features.extraction import write_features
from rnnsep.learning.recipe import Recipe
from rnnsep.learning.training import train
from rnnsep.presets import catalogue
from tests.learning.conftest import STFT, write_bands
from tests.networks import document

DEFAULT = "params.yaml"  # the training without a preset, with the values of base.yaml
SIZES = {
    "rnn.units": 6, "sampling.frames": 4, "sampling.batch": 16, "sampling.steps": 2, "training.epochs": 2,
    "training.warmup": 1,
}  # fmt: skip
SMALLER = {  # values for options that are on; the songs here are mono
    "input.mel": 12, "rnn.bottleneck": 12, "input.side": False, "loss.segment": 4, "loss.pretraining_epochs": 1,
    "enhancement.layers": 1,
    "mask.convolution": 2,  # with many maps, eager sums depend on the number of threads
    "training.networks": 1,  # several networks may train in processes of their own, which are not eager
}  # fmt: skip


def small_recipe(name):
    """The recipe of a small training: the preset, or what all presets are based on, in small sizes."""
    changes = (catalogue.base() if name == DEFAULT else catalogue.changes(name)) | SIZES
    changes |= {key: value for key, value in SMALLER.items() if changes.get(key)}
    return params.select(Recipe, document(changes))


def train_small(name, features, folder):
    """Hash of the weights of a small training, and the training and validation loss of each epoch."""
    with contextlib.redirect_stdout(io.StringIO()):
        train(features, folder / "models", small_recipe(name))
    losses = []
    for path in sorted((folder / "models").glob("*.tsv")):
        losses += pd.read_csv(path, sep="\t")[["train_loss", "valid_loss"]].to_numpy().flatten().tolist()
    return hashlib.sha256((folder / "models" / "weights.npz").read_bytes()).hexdigest()[:16], losses


# training and validation loss of each epoch; of two-stage systems those of the second stage come first
LOSSES = {
    DEFAULT: [-1.38406, -1.38988, -1.38909, -1.39362],
    "best": [-1.3369, -1.42934, -1.47311, -1.53429],
    "grais2017": [0.141074, 0.130123, 0.118777, 0.126928, 24.41, 24.2657, 24.3968, 24.2092],
    "huang2014-drnn2-disc": [0.962487, 0.477176, 0.345355, 0.288691],
    "weninger2014-ma": [0.244904, 0.243331, 0.244085, 0.242843],
}
# rounding grows fast in recurrent ReLU layers and in a stage behind a ReLU ratio mask
TOLERANCES = {"huang2014-drnn2-disc": 0.02, "grais2017": 0.02}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("eager")
def test_a_small_training_has_the_recorded_losses(name, features, tmp_path):
    _, losses = train_small(name, features, tmp_path)
    np.testing.assert_allclose(losses, LOSSES[name], rtol=TOLERANCES.get(name, 5e-3), atol=1e-5)


def main():
    tf.config.run_functions_eagerly(True)  # without compilation, which takes most of the time of a small training
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with contextlib.redirect_stdout(sys.stderr):
            write_bands(root / "corpus")
            write_features(root / "corpus", root / "features", STFT)
        for name in sys.argv[1:] or [DEFAULT, *catalogue.names()]:
            digest, losses = train_small(name, root / "features", root / name)
            print(name, digest, *(f"{loss:.6g}" for loss in losses), flush=True)


if __name__ == "__main__":
    main()
