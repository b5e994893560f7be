"""The parameters of a small network; tests change what they need with `params.changed`.

Parameters that are not listed here have their values of params.yaml, so that a new parameter changes no test.
"""

from pathlib import Path

from rnnsep.learning.recipe import Recipe
from rnnsep.params import changed, read_yaml, select

DEFAULT = select(Recipe, read_yaml(Path(__file__).resolve().parents[1] / "params.yaml"))
SMALL = changed(
    DEFAULT.network,
    {
        "input.compression": "log",
        "input.bandwidth": 4000.0,
        "input.pooling": None,
        "input.mel": 0,
        "input.level": False,
        "input.standardise": True,
        "input.side": False,
        "input.context": 0,
        "input.noise": 0.0,
        "input.scale": 1.0,
        "rnn.cell": "gru",
        "rnn.layers": 2,
        "rnn.units": 6,
        "rnn.bidirectional": False,
        "rnn.recurrent": None,
        "rnn.residual": False,
        "rnn.bottleneck": 0,
        "rnn.bands": 0,
        "rnn.shared": True,
        "rnn.dropout": 0.0,
        "mask.activation": "softmax",
        "mask.mel": False,
        "mask.local": None,
        "mask.convolution": 0,
        "defects.half_mixture": False,
        "defects.reset": 0,
    },
)
