"""A small training; tests change what they need of its recipe with `params.changed`."""

from pathlib import Path

from rnnsep.learning.training import train
from rnnsep.params import changed
from tests.networks import DEFAULT, SMALL

RECIPE = changed(
    DEFAULT,
    {
        "input": SMALL.input, "rnn": SMALL.rnn, "rnn.units": 16, "rnn.dropout": 0.2,
        "sampling.frames": 32, "sampling.batch": 4, "sampling.steps": 6, "sampling.remix": 0.5, "sampling.gain": 3.0,
        "training.seed": 1, "training.epochs": 3, "training.patience": 3, "training.learning_rate": 0.01,
        "training.warmup": 3, "training.averaging": 0.9, "training.threads": 2,
    },
)  # fmt: skip
# eager operations are many rather than large: few frames, and all validation songs in one batch
SHORT = {"sampling.frames": 4, "sampling.batch": 32, "sampling.steps": 2}


def run(features, folder, changes=None):
    """Train with `RECIPE` and `changes` of it, by dotted key; the folder of the model."""
    models = folder / "models"
    models.parent.mkdir(parents=True, exist_ok=True)
    recipe = changed(RECIPE, changes or {})
    train(features, models, recipe, Path(recipe.training.start) if recipe.training.start else None)
    return models
