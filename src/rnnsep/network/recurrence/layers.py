"""Recurrent layers with the weights and outputs of Keras' layers that train faster on a CPU."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import keras
import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from rnnsep.network.recurrence.gru import gru
from rnnsep.network.recurrence.lstm import lstm
from rnnsep.network.recurrence.scan import length, padded, product
from rnnsep.network.recurrence.vanilla import vanilla

Cell = Literal["gru", "lstm", "vanilla"]
"""Values of `rnn.cell`; `LAYERS` has the layer of each."""


def has_cudnn_device() -> bool:
    """Whether there is a GPU and the code being traced is not for XLA, which cannot compile cuDNN."""
    in_xla = GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
    return bool(tf.config.list_logical_devices("GPU")) and not in_xla


class _Recurrent(keras.layers.Layer):
    """Base class. A Keras layer per direction holds the weights, and computes them on a GPU with cuDNN."""

    nb_states = 1
    """State tensors per direction."""

    has_cudnn = True
    """Whether the Keras layer has a cuDNN path."""

    def __init__(self, units: int, bidirectional: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.bidirectional = bidirectional
        self.directions = [self.direction("forward")]
        if bidirectional:
            self.directions.append(self.direction("backward"))

    def direction(self, name: str) -> Any:
        """The Keras layer of one direction."""
        raise NotImplementedError

    def run(self, x: Any, cell: Any, states: list[Any], reverse: bool) -> tuple[Any, list[Any]]:
        """
        One direction on the CPU: x (nb_batch, nb_frames, nb_features), the Keras cell with the weights, and
        the initial states, to the outputs (nb_batch, nb_frames, units) and the last states.
        """
        raise NotImplementedError

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for layer in self.directions:
            layer.build(input_shape)
        self.built = True

    def call(self, sequence: Any, initial_state: Any = None, return_state: bool = False) -> Any:
        """
        sequence: (nb_batch, nb_frames, nb_features).
        initial_state: as returned with `return_state`: for each direction a list of tensors (nb_batch,
        units); zeros by default.

        Returns the outputs, (nb_batch, nb_frames, units), or 2 units, forward then backward; with
        `return_state` also the last state.
        """
        if sequence.shape[1] == 0:
            raise ValueError(f"{self.name}: the sequence has no frames (shape {tuple(sequence.shape)})")
        sequence = tf.convert_to_tensor(sequence)
        if initial_state is None:
            zeros = tf.zeros((tf.shape(sequence)[0], self.units), sequence.dtype)
            zeros = tf.ensure_shape(zeros, (sequence.shape[0], self.units))
            initial_state = [[zeros] * self.nb_states for _ in self.directions]
        initial_state = [[tf.cast(one, sequence.dtype) for one in states] for states in initial_state]
        compute = self._with_keras if self.has_cudnn and has_cudnn_device() else self._with_loop
        outputs, states = compute(sequence, initial_state)
        return (outputs, states) if return_state else outputs

    def _with_keras(self, sequence: Any, initial_state: Any) -> tuple[Any, Any]:
        outputs, states = [], []
        for layer, initial in zip(self.directions, initial_state, strict=True):
            output, *state = layer(sequence, initial_state=initial)
            outputs.append(output[:, ::-1] if layer.go_backwards else output)
            states.append(state)
        return tf.concat(outputs, 2), states

    def _with_loop(self, sequence: Any, initial_state: Any) -> tuple[Any, Any]:
        outputs, states = [], []
        for layer, initial in zip(self.directions, initial_state, strict=True):
            output, state = self.run(sequence, layer.cell, initial, layer.go_backwards)
            outputs.append(output)
            states.append(state)
        return (outputs[0] if len(outputs) == 1 else tf.concat(outputs, 2)), states

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "bidirectional": self.bidirectional}


def _projected(x: Any, kernel: Any, bias: Any) -> Any:
    """x W + b of all frames as one product: x (nb_batch, nb_frames, nb_features)."""
    y = _times(tf.reshape(x, (-1, x.shape[2])), kernel) + bias
    nb_batch = x.shape[0] or tf.shape(x)[0]
    return tf.reshape(y, (nb_batch, length(x), kernel.shape[1]))


@tf.custom_gradient
def _times(x: Any, kernel: Any) -> Any:
    """`tf.matmul(x, kernel)`, whose gradients are products of padded matrices (see `padded`)."""

    def gradient(dy: Any) -> Any:
        dy = padded(dy)
        return tf.matmul(dy, padded(kernel), transpose_b=True), product(x, dy)[:, : kernel.shape[1]]

    return tf.matmul(x, kernel), gradient


@keras.saving.register_keras_serializable("rnnsep")
class GRU(_Recurrent):
    """
    `keras.layers.GRU(units, return_sequences=True)`, or two in `keras.layers.Bidirectional`.

    Example: `GRU(256, bidirectional=True)(x)`, x (nb_batch, nb_frames, nb_features), gives
    (nb_batch, nb_frames, 512).

    units: size of the state in each direction. bidirectional: a second direction that runs from the end.
    Weights per direction: kernel (nb_features, 3 units), recurrent kernel (units, 3 units), bias
    (2, 3 units).
    Source: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014.
    """

    def direction(self, name: str) -> Any:
        return keras.layers.GRU(
            self.units,
            return_sequences=True,
            return_state=True,
            go_backwards=name == "backward",
            dtype=self.dtype_policy,
            name=name,
        )

    def run(self, x: Any, cell: Any, states: list[Any], reverse: bool) -> tuple[Any, list[Any]]:
        bias = tf.convert_to_tensor(cell.bias)
        recurrent_kernel = tf.convert_to_tensor(cell.recurrent_kernel)
        projected = _projected(x, tf.convert_to_tensor(cell.kernel), bias[0])
        outputs = gru(projected, recurrent_kernel, bias[1], states[0], reverse)
        return outputs, [outputs[:, 0 if reverse else -1]]


@keras.saving.register_keras_serializable("rnnsep")
class LSTM(_Recurrent):
    """
    `keras.layers.LSTM(units, return_sequences=True)`, or two in `keras.layers.Bidirectional`.

    Example: `LSTM(256)(x)`, x (nb_batch, nb_frames, nb_features), gives (nb_batch, nb_frames, 256).

    units: size of the state in each direction. bidirectional: a second direction that runs from the end.
    Weights per direction: kernel (nb_features, 4 units), recurrent kernel (units, 4 units), bias (4 units,).
    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997; forget gate of Gers et al., 2000.
    """

    nb_states = 2

    def direction(self, name: str) -> Any:
        return keras.layers.LSTM(
            self.units,
            return_sequences=True,
            return_state=True,
            go_backwards=name == "backward",
            dtype=self.dtype_policy,
            name=name,
        )

    def run(self, x: Any, cell: Any, states: list[Any], reverse: bool) -> tuple[Any, list[Any]]:
        recurrent_kernel = tf.convert_to_tensor(cell.recurrent_kernel)
        projected = _projected(x, tf.convert_to_tensor(cell.kernel), tf.convert_to_tensor(cell.bias))
        outputs, last_cell = lstm(projected, recurrent_kernel, states[0], states[1], reverse)
        return outputs, [outputs[:, 0 if reverse else -1], last_cell]


@keras.saving.register_keras_serializable("rnnsep")
class VanillaRNN(_Recurrent):
    """
    `keras.layers.SimpleRNN(units, return_sequences=True)`, or two in `keras.layers.Bidirectional`.

    Example: `VanillaRNN(256, activation="relu")(x)`, x (nb_batch, nb_frames, nb_features), gives
    (nb_batch, nb_frames, 256).

    units: size of the state in each direction. activation: "relu" or "tanh". bidirectional: a second
    direction that runs from the end.
    Weights per direction: kernel (nb_features, units), recurrent kernel (units, units), bias
    (units,).
    Source: Elman, Finding structure in time, 1990; with "relu" the network of Huang et al., 2014.
    """

    has_cudnn = False

    def __init__(
        self,
        units: int,
        activation: Literal["relu", "tanh"] = "relu",
        bidirectional: bool = False,
        **kwargs: Any,
    ) -> None:
        if activation not in ("relu", "tanh"):
            raise ValueError(f"activation {activation!r}: must be 'relu' or 'tanh'")
        self.activation = activation
        super().__init__(units, bidirectional, **kwargs)

    def direction(self, name: str) -> Any:
        return keras.layers.SimpleRNN(
            self.units,
            self.activation,
            return_sequences=True,
            return_state=True,
            go_backwards=name == "backward",
            dtype=self.dtype_policy,
            name=name,
        )

    def run(self, x: Any, cell: Any, states: list[Any], reverse: bool) -> tuple[Any, list[Any]]:
        recurrent_kernel = tf.convert_to_tensor(cell.recurrent_kernel)
        projected = _projected(x, tf.convert_to_tensor(cell.kernel), tf.convert_to_tensor(cell.bias))
        outputs = vanilla(projected, recurrent_kernel, states[0], self.activation, reverse)
        return outputs, [outputs[:, 0 if reverse else -1]]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}


LAYERS: dict[Cell, Callable[..., keras.layers.Layer]] = {
    "gru": GRU,
    "lstm": LSTM,
    "vanilla": partial(VanillaRNN, activation="relu"),
}
"""Classes of recurrent layers, called with `units`, `bidirectional` and `name`."""
