"""The parameters of a small network, which tests change with `params.changed`, and a table of architectures.

Parameters that are not listed here have their values of presets/base.yaml, so that a new default changes no test.
"""

from pathlib import Path

import numpy as np

from rnnsep.learning.recipe import Recipe
from rnnsep.network.model import Model, save_model
from rnnsep.network.network import Architecture, Network
from rnnsep.params import changed, read_yaml, select
from rnnsep.presets import catalogue
from rnnsep.signal.stft import StftParams


def document(changes):
    """params.yaml with other values for some dotted keys."""
    content = read_yaml(Path(__file__).resolve().parents[1] / "params.yaml")
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = content
        for one in sections:
            section = section[one]
        assert last in section, key
        section[last] = value
    return content


DEFAULT = select(Recipe, document(catalogue.base()))
SMALL = changed(DEFAULT.network, {"input.bandwidth": 4000.0, "rnn.layers": 2, "rnn.units": 6, "rnn.dropout": 0.0})

# what a network can be: every cell, direction, head, mask and input at least once
ARCHITECTURES = {
    "gru": {},
    "bidirectional gru": {"rnn.bidirectional": True, "rnn.residual": True},
    "lstm": {"rnn.cell": "lstm", "input.level": True, "mask.activation": "relu"},
    "bidirectional lstm": {"rnn.cell": "lstm", "rnn.bidirectional": True, "input.compression": "linear"},
    "vanilla, one recurrent layer": {"rnn.cell": "vanilla", "rnn.recurrent": (2,), "mask.activation": "abs"},
    "bidirectional vanilla": {"rnn.cell": "vanilla", "rnn.bidirectional": True, "input.standardise": False},
    "dense, context": {"rnn.recurrent": (0,), "input.context": 2, "mask.activation": "sigmoid"},
    "bottleneck, side": {"rnn.bottleneck": 7, "input.side": True, "input.scale": 3.0},
    "mel": {"input.mel": 7, "mask.mel": True},
    "mel input": {"input.mel": 9, "rnn.bidirectional": True},
    "local": {"mask.local": (1, 3)},
    "convolution": {"mask.convolution": 3},
    "all heads": {
        "mask.local": (2, 5), "mask.convolution": 2, "rnn.bidirectional": True, "rnn.bottleneck": 5,
        "input.pooling": 1000.0, "input.side": True,
    },
    "reset": {"defects.reset": 4, "defects.half_mixture": True, "mask.local": (2,), "mask.convolution": 2},
}  # fmt: skip


def random_weights(architecture, seed=0):
    """Normal weights, small enough that states of ReLU layers, and so their rounding errors, do not grow."""
    random = np.random.default_rng(seed)
    return {
        path: random.normal(0, 0.7 / np.sqrt(shape[-2] if len(shape) > 1 else 4), shape).astype(np.float32)
        for path, shape in architecture.shapes.items()
    }


def random_network(params, nb_sources, stft, seed=0):
    """A network with random weights."""
    architecture = Architecture.of(params, nb_sources, stft)
    return Network(architecture, random_weights(architecture, seed))


def save_small(folder, sources):
    """The files of a small model with random weights, in `folder`, which is returned."""
    params = changed(SMALL, {"rnn.layers": 1, "rnn.units": 4, "input.bandwidth": 3000.0})
    stft = StftParams(sample_rate=8000, window=64, hop=32, channels="mono", taper="hann")
    save_model(folder, Model(sources, stft, (random_network(params, len(sources), stft),)), {})
    return folder
