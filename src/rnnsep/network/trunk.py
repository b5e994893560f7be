"""The trunk of a network: recurrent and dense hidden layers between its input and its heads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from rnnsep.network import recurrence
from rnnsep.network.recurrence import CellName, Shapes
from rnnsep.params import ParamError, Range

Array = NDArray[np.float32]
NORM_FLOOR = np.float32(1e-3)  # added to variances, Keras' default
CELLS = {"vanilla": "vanilla RNN"}  # others are in upper case on the page


@dataclass(frozen=True, kw_only=True)
class RnnParams:
    """Section `rnn` of params.yaml."""

    cell: CellName
    layers: Annotated[int, Range(1)]
    units: Annotated[int, Range(1)]  # per layer and direction
    bidirectional: bool
    recurrent: tuple[Annotated[int, Range(0)], ...] | None  # (0,): none; None: all
    residual: bool
    bottleneck: Annotated[int, Range(0)]  # units; 0: off
    dropout: Annotated[float, Range(0, 0.99)]

    def check(self) -> None:
        if self.recurrent == ():  # DVC 3.67 cannot replace a list by an empty one
            raise ParamError("recurrent", "must name a layer; [0] stands for none")
        for layer in self.recurrent or ():
            if layer > self.layers:
                raise ParamError("recurrent", f"has layer {layer}, but layers is {self.layers}")

    def is_recurrent(self, layer: int) -> bool:
        """Whether hidden layer `layer`, counted from 1, is recurrent."""
        return self.recurrent is None or layer in self.recurrent

    @property
    def sees_future(self) -> bool:
        """Whether a frame's masks depend on later frames."""
        return self.bidirectional

    @property
    def names(self) -> list[str]:
        """Names of the hidden layers in the paths of weights."""
        return [f"{'recurrent' if self.is_recurrent(i) else 'dense'}_{i}" for i in range(1, self.layers + 1)]

    @property
    def width(self) -> int:
        """Number of features that the trunk passes to the heads."""
        if self.bottleneck:
            return self.bottleneck
        return self.units * (2 if self.bidirectional and self.is_recurrent(self.layers) else 1)

    @property
    def words(self) -> str:
        """The hidden layers in words."""
        cell = CELLS.get(self.cell, self.cell.upper())
        direction = "bidirectional" if self.bidirectional else "unidirectional"
        recurrent = [i for i in range(1, self.layers + 1) if self.is_recurrent(i)]
        if not recurrent:
            return f"{self.layers} dense layers of {self.units} units"
        if len(recurrent) == self.layers:
            return f"{self.layers} × {cell} of {self.units} units, {direction}"
        which = ", ".join(map(str, recurrent))
        return f"{self.layers} layers of {self.units} units, {direction}; {cell}: layer {which}, others dense"


def shapes(params: RnnParams, width: int) -> Shapes:
    """Shapes of the trunk's weights by path; its input has `width` features."""
    found: Shapes = {}
    if params.bottleneck:
        found |= _normalised_dense_shapes("entry", width, params.bottleneck)
        width = params.bottleneck
    for i, name in enumerate(params.names, start=1):
        if params.is_recurrent(i):
            layer = recurrence.shapes(params.cell, width, params.units, params.bidirectional)
            width = params.units * (1 + params.bidirectional)
        else:
            layer = {"kernel": (width, params.units), "bias": (params.units,)}
            width = params.units
        found |= {f"{name}/{path}": shape for path, shape in layer.items()}
    return found | (_normalised_dense_shapes("exit", width, params.bottleneck) if params.bottleneck else {})


def trunk(params: RnnParams, weights: Mapping[str, Array], x: Array) -> Array:
    """Hidden state (nb_batch, nb_frames, `params.width`) from x (nb_batch, nb_frames, width)."""
    if params.bottleneck:
        x = _normalised_dense(below(weights, "entry"), x)
    for i, name in enumerate(params.names, start=1):
        own = below(weights, name)
        if params.is_recurrent(i):
            y = recurrence.recurrent(params.cell, own, x, params.bidirectional)
        else:
            y = np.maximum(x @ own["kernel"] + own["bias"], 0)
        x = x + y if params.residual and x.shape[2] == y.shape[2] else y
    return _normalised_dense(below(weights, "exit"), x) if params.bottleneck else x


def below(weights: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The weights of block `name`, by their paths below it."""
    prefix = f"{name}/"
    return {path.removeprefix(prefix): weight for path, weight in weights.items() if path.startswith(prefix)}


def _normalised_dense(weights: Mapping[str, Array], x: Array) -> Array:
    """tanh(norm(W x)): the bottleneck of Open-Unmix (Stöter et al., 2019) with layer normalisation."""
    y = x @ weights["dense/kernel"]
    y -= y.mean(axis=-1, keepdims=True)
    y /= np.sqrt(np.mean(np.square(y), axis=-1, keepdims=True) + NORM_FLOOR)
    y *= weights["norm/gamma"]
    y += weights["norm/beta"]
    return np.tanh(y, out=y)


def _normalised_dense_shapes(name: str, width: int, units: int) -> Shapes:
    return {f"{name}/dense/kernel": (width, units), f"{name}/norm/gamma": (units,), f"{name}/norm/beta": (units,)}
