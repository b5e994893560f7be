"""The stage train."""

from pathlib import Path

import tensorflow as tf

from rnnsep.learning.recipe import Recipe
from rnnsep.learning.training import train
from rnnsep.running.errors import UserError
from rnnsep.running.helpers import helps


def train_model(features: Path, start: Path, models: Path, recipe: Recipe) -> None:
    """Train on the features; `start` is the link to the model of `training.start`, if there is one."""
    try:
        train(features, models, recipe, start.resolve() if recipe.training.start else None, watched=not helps())
    except tf.errors.ResourceExhaustedError as error:
        message = "not enough memory; lower sampling.batch, sampling.frames or rnn.units"
        raise UserError(f"{message} ({error.message.splitlines()[0]})") from None
