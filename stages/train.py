"""Train the network on the features of the training songs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.layers.backend import import_tensorflow

import_tensorflow()

import tensorflow as tf

from rnnsep.learning import distribution, watching
from rnnsep.learning.recipe import Recipe, reuse
from rnnsep.learning.training import train
from rnnsep.params import changed
from rnnsep.running.errors import UserError


def main(recipe: Recipe, features: Path, start: Path, models: Path) -> None:
    if recipe.training.start:  # DVC sees the content of the link, not of the folder that it leads to
        recipe = changed(recipe, {"training.start": str(start.resolve())})
    try:
        train(features, models, recipe, watched=watching.wanted())
    except tf.errors.ResourceExhaustedError as error:
        message = "not enough memory; lower sampling.batch, sampling.frames or rnn.units"
        raise UserError(f"{message} ({error.message.splitlines()[0]})") from None


if __name__ == "__main__":
    stage.run(main, Recipe, distribution.helps, reuse)
