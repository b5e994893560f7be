"""A small training; tests change what they need of its recipe with `params.changed`."""

from pathlib import Path

from rnnsep.learning.losses import LossParams
from rnnsep.learning.recipe import (
    BlendingParams,
    EnhancementParams,
    OptimizerParams,
    Recipe,
    TrainingParams,
)
from rnnsep.learning.sampling import SamplingParams
from rnnsep.learning.training import train
from rnnsep.params import changed
from tests.networks import SMALL

RECIPE = changed(
    Recipe(
        input=SMALL.input,
        rnn=SMALL.rnn,
        mask=SMALL.mask,
        defects=SMALL.defects,
        loss=LossParams(
            name="sdr",
            discrimination=0.0,
            pretraining="mask",
            pretraining_epochs=0,
            power=1.0,
            segment=0,
            scale=1.0,
        ),
        sampling=SamplingParams(frames=32, batch=4, steps=6, remix=0.5, gain=3.0, equaliser=0.0, swap=0.5, shift=0.0),
        optimizer=OptimizerParams(name="adam", momentum=0.9, weight_decay=0.0, clip=1.0),
        training=TrainingParams(
            seed=1,
            epochs=3,
            patience=3,
            learning_rate=0.01,
            warmup=3,
            schedule="cosine",
            averaging=0.9,
            networks=1,
            threads=2,
            precision="float32",
        ),
        blending=BlendingParams(bands=0, units=4, dropout=0.0),
        enhancement=EnhancementParams(layers=0, mask="relu", loss="magnitude", discrimination=0.0, share=0.0),
    ),
    {"rnn.units": 16, "rnn.dropout": 0.2},
)
SHORT = {"sampling.frames": 8, "sampling.steps": 2}


def run(features: Path, folder: Path, changes: dict[str, object] | None = None) -> Path:
    """Train with `RECIPE` and `changes` of it, by dotted key; the folder of the model."""
    models = folder / "models"
    models.parent.mkdir(parents=True, exist_ok=True)
    train(features, models, changed(RECIPE, changes or {}))
    return models
