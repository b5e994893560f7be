"""Recurrent layers with the weights and outputs of Keras' layers that train faster on a CPU."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnsep.layers.recurrence.gru import gru
from rnnsep.layers.recurrence.lstm import lstm
from rnnsep.layers.recurrence.scan import padded, product
from rnnsep.layers.recurrence.vanilla import vanilla
from rnnsep.network.recurrence import CellName, directions


class Cell(NamedTuple):
    """A kind of recurrent layer: Keras' layer of one direction, whether cuDNN has it, and our loop over the frames.

    `loop(x, weights, reverse)` takes x (nb_batch, nb_frames, nb_features) and the Keras layer's weights.
    """

    layer: Callable[..., Any]
    has_cudnn: bool
    loop: Callable[[Any, list[Any], bool], Any]


def _gru(x: Any, weights: list[Any], reverse: bool) -> Any:
    kernel, recurrent_kernel, bias = weights
    return gru(_projected(x, kernel, bias[0]), recurrent_kernel, bias[1], reverse)


def _lstm(x: Any, weights: list[Any], reverse: bool) -> Any:
    kernel, recurrent_kernel, bias = weights
    return lstm(_projected(x, kernel, bias), recurrent_kernel, reverse)


def _vanilla(x: Any, weights: list[Any], reverse: bool) -> Any:
    kernel, recurrent_kernel, bias = weights
    return vanilla(_projected(x, kernel, bias), recurrent_kernel, reverse)


CELLS: dict[CellName, Cell] = {
    "gru": Cell(keras.layers.GRU, True, _gru),
    "lstm": Cell(keras.layers.LSTM, True, _lstm),
    "vanilla": Cell(partial(keras.layers.SimpleRNN, activation="relu"), False, _vanilla),
}


class Recurrent(keras.layers.Layer):
    """
    `keras.layers.GRU(units, return_sequences=True)` and the like, or two in `keras.layers.Bidirectional`.

    A Keras layer per direction holds the weights, and computes them on a GPU with cuDNN.

    Parameters
    ----------
    cell
        "gru", "lstm", or "vanilla" for a layer without gates and with ReLU.
    units
        Size of the state in each direction.
    bidirectional
        A second direction runs from the end.

    Examples
    --------
    `Recurrent("gru", 256, bidirectional=True)(x)`, x (nb_batch, nb_frames, nb_features), gives (nb_batch, nb_frames,
    512), forward then backward.
    """

    def __init__(self, cell: CellName, units: int, bidirectional: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.units, self.bidirectional = CELLS[cell], units, bidirectional
        self.directions = [
            self.kind.layer(
                units, return_sequences=True, go_backwards=name == "backward", dtype=self.dtype_policy, name=name
            )
            for name in directions(bidirectional)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for layer in self.directions:
            layer.build(input_shape)
        self.built = True

    def call(self, sequence: Any) -> Any:
        """Outputs (nb_batch, nb_frames, units), or 2 units, of (nb_batch, nb_frames, nb_features), static sizes."""
        sequence = tf.convert_to_tensor(sequence)
        if sequence.shape[1] == 0:
            raise ValueError(f"{self.name}: the sequence has no frames (shape {tuple(sequence.shape)})")
        with_keras = self.kind.has_cudnn and tf.config.list_logical_devices("GPU")
        run = self._with_keras if with_keras else self._with_loop
        outputs = [run(layer, sequence) for layer in self.directions]
        return outputs[0] if len(outputs) == 1 else tf.concat(outputs, 2)

    def _with_keras(self, layer: Any, sequence: Any) -> Any:
        output = layer(sequence)
        return output[:, ::-1] if layer.go_backwards else output

    def _with_loop(self, layer: Any, sequence: Any) -> Any:
        cell = layer.cell
        weights = [tf.convert_to_tensor(weight) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)]
        return self.kind.loop(sequence, weights, layer.go_backwards)


def _projected(x: Any, kernel: Any, bias: Any) -> Any:
    """x W + b of all frames as one product: x (nb_batch, nb_frames, nb_features)."""
    y = _times(tf.reshape(x, (-1, x.shape[2])), kernel) + bias
    return tf.reshape(y, (x.shape[0], x.shape[1], kernel.shape[1]))


@tf.custom_gradient
def _times(x: Any, kernel: Any) -> Any:
    """`tf.matmul(x, kernel)`, whose gradients are products of padded matrices (see `padded`)."""

    def gradient(dy: Any) -> Any:
        dy = padded(dy)
        return tf.matmul(dy, padded(kernel), transpose_b=True), product(x, dy)[:, : kernel.shape[1]]

    return tf.matmul(x, kernel), gradient
