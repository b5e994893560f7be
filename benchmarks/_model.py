"""A model with the network of params.yaml and random weights."""

from typing import Any

import numpy as np

from rnnsep.learning.recipe import Recipe
from rnnsep.network.model import Model
from rnnsep.network.network import Architecture, Network
from rnnsep.params import parse, select
from rnnsep.signal.stft import StftParams


def random_model(document: dict[str, Any], sources: tuple[str, ...]) -> Model:
    """The model of `document`, a whole params.yaml."""
    stft = parse(StftParams, document["stft"], "stft")
    architecture = Architecture.of(select(Recipe, document).network, len(sources), stft)
    random = np.random.default_rng(0)
    weights = {
        path: random.normal(0, 1 / np.sqrt(max(shape[-2:])), shape).astype(np.float32)
        for path, shape in architecture.shapes.items()
    }
    return Model(sources, stft, (Network(architecture, weights),))
