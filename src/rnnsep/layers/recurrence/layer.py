"""Recurrent layers with the weights and outputs of Keras' layers that train faster on a CPU."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnsep.layers.recurrence import cells
from rnnsep.network.recurrence import CellName, directions


class Cell(NamedTuple):
    """A kind of recurrent layer: Keras' layer of one direction, whether cuDNN has it, and our loop (see `cells`)."""

    layer: Callable[..., Any]
    has_cudnn: bool
    states: cells.States


CELLS: dict[CellName, Cell] = {
    "gru": Cell(keras.layers.GRU, True, cells.gru),
    "lstm": Cell(keras.layers.LSTM, True, cells.lstm),
    "vanilla": Cell(partial(keras.layers.SimpleRNN, activation="relu"), False, cells.vanilla),
}


class Recurrent(keras.layers.Layer):
    """`keras.layers.GRU(units, return_sequences=True)` and the like, or two in `keras.layers.Bidirectional`.

    A Keras layer per direction holds the weights, and computes them on a GPU with cuDNN. (nb_batch, nb_frames,
    nb_features) to (nb_batch, nb_frames, `units`), or twice as many, forward then backward. `cell` is a key of `CELLS`.
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
        return self.kind.states(sequence, weights, layer.go_backwards)
