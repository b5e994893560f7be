"""A small network's parameters, from which tests take what they need by `dataclasses.replace`."""

from rnnsep.network.network import Defects, NetworkParams

SMALL = NetworkParams(
    cell="gru",
    layers=2,
    recurrent=None,
    units=6,
    bidirectional=False,
    residual=False,
    bottleneck=0,
    bands=0,
    shared=True,
    dropout=0.0,
    noise=0.0,
    context=0,
    side=False,
    bandwidth=4000.0,
    pooling=None,
    mel=0,
    mel_mask=False,
    scale=1.0,
    input="log",
    level=False,
    standardise=True,
    local=None,
    mask="softmax",
    defects=Defects(half_mixture=False, reset=0),
)
