"""A small training; tests change what they need of its recipe with `params.changed`.

Parameters that are not listed here have their values of params.yaml, so that a new parameter changes no test.
"""

from pathlib import Path

from rnnsep.learning.training import train
from rnnsep.params import changed
from tests.networks import DEFAULT, SMALL

RECIPE = changed(
    DEFAULT,
    {
        "input": SMALL.input,
        "rnn": SMALL.rnn,
        "mask": SMALL.mask,
        "defects": SMALL.defects,
        "rnn.units": 16,
        "rnn.dropout": 0.2,
        "loss.name": "sdr",
        "loss.discrimination": 0.0,
        "loss.pretraining": "mask",
        "loss.pretraining_epochs": 0,
        "loss.segment": 0,
        "loss.scale": 1.0,
        "sampling.frames": 32,
        "sampling.batch": 4,
        "sampling.steps": 6,
        "sampling.remix": 0.5,
        "sampling.gain": 3.0,
        "sampling.equaliser": 0.0,
        "sampling.swap": 0.5,
        "sampling.shift": 0.0,
        "optimizer.name": "adam",
        "optimizer.momentum": 0.9,
        "optimizer.weight_decay": 0.0,
        "optimizer.clip": 1.0,
        "training.start": None,
        "training.seed": 1,
        "training.epochs": 3,
        "training.patience": 3,
        "training.learning_rate": 0.01,
        "training.warmup": 3,
        "training.schedule": "cosine",
        "training.select": "loss",
        "training.averaging": 0.9,
        "training.networks": 1,
        "training.threads": 2,
        "training.precision": "float32",
        "enhancement.layers": 0,
        "enhancement.mask": "relu",
        "enhancement.loss": "magnitude",
        "enhancement.discrimination": 0.0,
        "enhancement.share": 0.0,
    },
)
# eager operations are many rather than large: few frames, and all validation songs in one batch
SHORT = {"sampling.frames": 4, "sampling.batch": 32, "sampling.steps": 2}


def run(features: Path, folder: Path, changes: dict[str, object] | None = None) -> Path:
    """Train with `RECIPE` and `changes` of it, by dotted key; the folder of the model."""
    models = folder / "models"
    models.parent.mkdir(parents=True, exist_ok=True)
    train(features, models, changed(RECIPE, changes or {}))
    return models
