"""The parameters of a small network; tests change what they need with `params.changed`."""

from rnnsep.network.input import InputParams
from rnnsep.network.masks import MaskParams
from rnnsep.network.network import DefectParams, NetworkParams, RnnParams

SMALL = NetworkParams(
    input=InputParams(
        compression="log",
        bandwidth=4000.0,
        pooling=None,
        mel=0,
        level=False,
        standardise=True,
        side=False,
        context=0,
        noise=0.0,
        scale=1.0,
    ),
    rnn=RnnParams(
        cell="gru",
        layers=2,
        units=6,
        bidirectional=False,
        recurrent=None,
        residual=False,
        bottleneck=0,
        bands=0,
        shared=True,
        dropout=0.0,
    ),
    mask=MaskParams(activation="softmax", mel=False, local=None),
    defects=DefectParams(half_mixture=False, reset=0),
)
