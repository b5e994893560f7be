"""The block `network.trunk` as a Keras layer."""

from typing import Any

import keras
import tensorflow as tf

from rnnsep.layers.recurrence.layer import Recurrent
from rnnsep.network.trunk import NORM_FLOOR, RnnParams


def hidden_layer(params: RnnParams, number: int, name: str) -> keras.layers.Layer:
    """Hidden layer `number`, counted from 1: recurrent, or dense with ReLU."""
    if params.is_recurrent(number):
        return Recurrent(params.cell, params.units, params.bidirectional, name=name)
    return keras.layers.Dense(params.units, activation="relu", name=name)


def normalised_dense(units: int, name: str) -> keras.layers.Layer:
    """tanh(norm(W x)): the bottleneck of Open-Unmix with layer normalisation (see `network.trunk`)."""
    layers = [
        keras.layers.Dense(units, use_bias=False, name="dense"),
        keras.layers.LayerNormalization(epsilon=float(NORM_FLOOR), name="norm"),
        keras.layers.Activation("tanh", name="tanh"),
    ]
    return keras.Sequential(layers, name=name)


class Trunk(keras.layers.Layer):
    """Hidden layers, (nb_batch, nb_frames, width) to (nb_batch, nb_frames, `params.width`)."""

    def __init__(self, params: RnnParams, **kwargs: Any):
        super().__init__(**kwargs)
        self.params = params
        self.hidden = [hidden_layer(params, i, name) for i, name in enumerate(params.names, start=1)]
        self.dropouts = [keras.layers.Dropout(params.dropout, name=f"dropout_{i + 1}") for i in range(params.layers)]
        if params.bottleneck:
            self.entry, self.exit = (normalised_dense(params.bottleneck, name) for name in ("entry", "exit"))
        self.built = True  # otherwise Keras traces the call below in order to build

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if self.params.bottleneck:
            x = self.entry(x)
        for layer, dropout in zip(self.hidden, self.dropouts, strict=True):
            y = dropout(layer(x), training=training)
            x = x + y if self.params.residual and x.shape[2] == y.shape[2] else y
        return self.exit(x) if self.params.bottleneck else x
