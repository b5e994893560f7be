"""Train the network on the features of the training songs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from rnnsep.network.backend import import_tensorflow

import_tensorflow()

import rnnsep.running.stage as stage
from rnnsep.learning import distribution, watching
from rnnsep.learning.recipe import Recipe, reuse
from rnnsep.learning.training import train


def main(recipe: Recipe, features: Path, models: Path) -> None:
    train(features, models, recipe, watched=watching.wanted())


if __name__ == "__main__":
    stage.run(Recipe, main, distribution.helps, reuse)
