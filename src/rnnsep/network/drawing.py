"""Random weights, drawn as TensorFlow 1 drew those of a network that is not trained."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def drawn(shapes: Mapping[str, tuple[int, ...]], random: np.random.Generator) -> dict[str, Array]:
    """Weights by path for the `shapes` of a network whose recurrent layers, if any, are GRUs.

    Kernels are uniform (Glorot and Bengio, 2010). TensorFlow's `GRUCell` has one kernel for the input and the state
    together, for both gates and for the candidate, whose sizes set the limits. Biases of gates are 1, other biases 0;
    a standardisation changes nothing.
    """
    return {path: _drawn(path, shape, shapes, random) for path, shape in shapes.items()}


def _drawn(
    path: str, shape: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]], random: np.random.Generator
) -> Array:
    layer, _, name = path.rpartition("/")
    recurrent = shapes.get(f"{layer}/recurrent_kernel")
    if name in ("kernel", "recurrent_kernel"):
        fan_in, columns = shape[-2:]
        limits = np.full(columns, np.sqrt(6 / (fan_in + columns)))
        if recurrent is not None:
            units = recurrent[0]
            fan_in = shapes[f"{layer}/kernel"][0] + units
            limits[: 2 * units], limits[2 * units :] = np.sqrt(6 / (fan_in + 2 * units)), np.sqrt(6 / (fan_in + units))
        return (random.uniform(-1, 1, shape) * limits).astype(np.float32)
    value = np.full(shape, name in ("scale", "gamma"), np.float32)
    if recurrent is not None:
        value[0, : 2 * recurrent[0]] = 1
    return value
