"""Recurrent layers in NumPy, with the weights and outputs of Keras' layers; all directions run in one loop.

A cell turns the projected input x W of a frame and the states before it into the states after it. The weights of a
direction are Keras': kernel W (nb_features, gates * units), recurrent kernel U (units, gates * units) and bias.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Shapes = dict[str, tuple[int, ...]]
CellName = Literal["gru", "lstm", "vanilla"]

HALF = np.float32(0.5)


@dataclass(frozen=True)
class Cell:
    """A kind of recurrent layer.

    gates: number of blocks of `units` columns in the kernels. sigmoids: which of them a sigmoid follows. biases: rows
    of the bias, 1 or 2; the second is added to h U. states: number of state arrays. step: `step(x, u, states)` with x
    the projected input, u = h U and the states, (nb_directions, nb_batch, gates * units or units), updates the states
    in place; the first one is the output. Where a sigmoid follows, x and u are halved: σ(a) = tanh(a / 2) / 2 + 1 / 2.
    """

    gates: int
    sigmoids: tuple[int, ...]
    biases: int
    states: int
    step: Callable[[Array, Array, Sequence[Array]], None]


def _sigmoid(half: Array) -> Array:
    """σ(2 half), in place."""
    np.tanh(half, out=half)
    half *= HALF
    half += HALF
    return half


def _gru(x: Array, u: Array, states: Sequence[Array]) -> None:
    """z = σ(x_z + u_z), r = σ(x_r + u_r), c = tanh(x_c + r u_c), h ← c + z (h - c) (Cho et al., 2014)."""
    (h,), units = states, states[0].shape[-1]
    c = u[..., 2 * units :]
    u[..., : 2 * units] += x[..., : 2 * units]
    gates = _sigmoid(u[..., : 2 * units])
    c *= gates[..., units:]
    c += x[..., 2 * units :]
    np.tanh(c, out=c)
    h -= c
    h *= gates[..., :units]
    h += c


def _lstm(x: Array, u: Array, states: Sequence[Array]) -> None:
    """i, f, o = σ(…), g = tanh(…), c ← f c + i g, h ← o tanh(c) (Gers et al., 2000)."""
    (h, c), units = states, states[0].shape[-1]
    u += x
    np.tanh(u, out=u)
    i, f, g, o = (u[..., k * units : (k + 1) * units] for k in range(4))
    for gate in (i, f, o):
        gate *= HALF
        gate += HALF
    c *= f
    i *= g
    c += i
    np.tanh(c, out=h)
    h *= o


def _vanilla(x: Array, u: Array, states: Sequence[Array]) -> None:
    """h ← max(0, x + u) (Elman, 1990; Huang et al., 2014)."""
    np.add(x, u, out=states[0])
    np.maximum(states[0], 0, out=states[0])


CELLS: dict[CellName, Cell] = {
    "gru": Cell(3, (0, 1), 2, 1, _gru),
    "lstm": Cell(4, (0, 1, 3), 1, 2, _lstm),
    "vanilla": Cell(1, (), 1, 1, _vanilla),
}


def directions(bidirectional: bool) -> tuple[str, ...]:
    """Names of a layer's directions in the paths of its weights."""
    return ("forward", "backward") if bidirectional else ("forward",)


def shapes(cell: CellName, width: int, units: int, bidirectional: bool) -> Shapes:
    """Shapes of the weights of a layer whose input has `width` features."""
    kind = CELLS[cell]
    columns = kind.gates * units
    return {
        f"{direction}/{name}": shape
        for direction in directions(bidirectional)
        for name, shape in (
            ("kernel", (width, columns)),
            ("recurrent_kernel", (units, columns)),
            ("bias", (2, columns) if kind.biases == 2 else (columns,)),
        )
    }


def recurrent(cell: CellName, weights: Mapping[str, Array], x: Array, bidirectional: bool) -> Array:
    """Outputs (nb_batch, nb_frames, nb_directions * units) of a layer for x (nb_batch, nb_frames, nb_features)."""
    kind, names = CELLS[cell], directions(bidirectional)
    nb_batch, nb_frames, nb_features = x.shape
    kernels = [weights[f"{name}/recurrent_kernel"] for name in names]
    units, columns = kernels[0].shape
    halves = np.ones(columns, np.float32)
    for gate in kind.sigmoids:
        halves[gate * units : (gate + 1) * units] = HALF
    # (nb_frames, nb_directions, nb_batch, columns) in the order in which each direction runs
    projected = np.empty((nb_frames, len(names), nb_batch, columns), np.float32)
    within = np.zeros((len(names), 1, columns), np.float32)  # of h U, inside the loop
    for d, name in enumerate(names):
        bias, *inner = weights[f"{name}/bias"].reshape(kind.biases, columns)
        y = (x.reshape(-1, nb_features) @ (weights[f"{name}/kernel"] * halves)).reshape(nb_batch, nb_frames, columns)
        y += bias * halves
        for one in inner:
            within[d] = one * halves
        projected[:, d] = (y[:, ::-1] if d else y).transpose(1, 0, 2)
    kernel = np.stack(kernels) * halves
    states = [np.zeros((len(names), nb_batch, units), np.float32) for _ in range(kind.states)]
    u = np.empty_like(projected[0])
    outputs = np.empty((nb_batch, nb_frames, len(names) * units), np.float32)
    for t in range(nb_frames):
        np.matmul(states[0], kernel, out=u)
        if kind.biases == 2:
            u += within
        kind.step(projected[t], u, states)
        outputs[:, t, :units] = states[0][0]
        if bidirectional:
            outputs[:, -1 - t, units:] = states[0][1]
    return outputs
