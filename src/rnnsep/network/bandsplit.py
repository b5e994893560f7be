"""The band-split RNN: recurrent layers run alternately over time and over bands.

Y. Luo and J. Yu, "Music source separation with band-split RNN", TASLP 2023; here with real instead of complex masks.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnsep.signal.mel import to_mel


def split(frequencies: np.ndarray, nb_groups: int) -> list[int]:
    """Edges of groups of bins at `frequencies` (Hz): nb_groups + 1 indices, from 0 to nb_bins.

    The groups are evenly spaced on the mel scale; each has at least one bin. `nb_groups` is at most nb_bins.
    """
    mel = to_mel(frequencies)
    edges = np.searchsorted(mel, np.linspace(0, mel[-1], nb_groups + 1)[:-1])
    for group in range(1, nb_groups):  # at least one bin for this group and for each of those after it
        edges[group] = min(max(edges[group], edges[group - 1] + 1), len(mel) - nb_groups + group)
    return [*edges.tolist(), len(mel)]


class Path(keras.layers.Layer):
    """x + dense(recurrent(norm(x))) along one axis of x. Shape in and out: (nb_batch, sequence, units).

    The dropout mask is the same along the sequence (Gal and Ghahramani, 2016).
    """

    def __init__(self, recurrent: keras.layers.Layer, units: int, dropout: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.recurrent = recurrent
        self.dense = keras.layers.Dense(units, name="dense")
        self.dropout = keras.layers.Dropout(dropout, noise_shape=(None, 1, None), name="dropout")
        self.built = True  # otherwise Keras traces the call below in order to build

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return x + self.dropout(self.dense(self.recurrent(self.norm(x))), training=training)


class BandSplit(keras.layers.Layer):
    """
    Mask logits (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels) from standardised magnitudes (nb_batch,
    nb_frames, nb_bins, nb_inputs).

    edges: of the groups of bins (see `split`). layer: class of the recurrent layers. units: features per group, and
    units per recurrent layer and direction. bidirectional: over time; over the bands layers always are.
    """

    def __init__(
        self,
        edges: list[int],
        layer: Callable[..., keras.layers.Layer],
        nb_layers: int,
        units: int,
        bidirectional: bool,
        dropout: float,
        nb_sources: int,
        nb_channels: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.groups = list(pairwise(edges))
        self.units, self.nb_sources, self.nb_channels = units, nb_sources, nb_channels

        def path(axis: str, number: int, both_ways: bool) -> Path:
            recurrent = layer(units, bidirectional=both_ways, name=f"{axis}_{number}")
            return Path(recurrent, units, dropout, name=f"{axis}_path_{number}")

        self.entries = [keras.layers.Dense(units, name=f"entry_{k}") for k in range(len(self.groups))]
        self.times = [path("time", i + 1, bidirectional) for i in range(nb_layers)]
        self.bands = [path("bands", i + 1, True) for i in range(nb_layers)]
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.hidden = [keras.layers.Dense(2 * units, "tanh", name=f"hidden_{k}") for k in range(len(self.groups))]
        self.heads = [
            keras.layers.Dense(nb_sources * nb_channels * (end - begin), name=f"head_{k}")
            for k, (begin, end) in enumerate(self.groups)
        ]
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        nb_batch, nb_frames, nb_groups = x.shape[0] or tf.shape(x)[0], x.shape[1] or tf.shape(x)[1], len(self.groups)
        parts = []
        for entry, (begin, end) in zip(self.entries, self.groups, strict=True):
            part = tf.reshape(x[:, :, begin:end], (nb_batch, nb_frames, (end - begin) * x.shape[3]))
            parts.append(entry(part))
        z = tf.stack(parts, axis=1)  # (nb_batch, nb_groups, nb_frames, units)
        for over_time, over_bands in zip(self.times, self.bands, strict=True):
            flat = over_time(tf.reshape(z, (-1, nb_frames, self.units)), training=training)
            z = tf.reshape(flat, (nb_batch, nb_groups, nb_frames, self.units))
            # (nb_batch, nb_groups, nb_frames, units) -> (nb_batch, nb_frames, nb_groups, units), and back
            flat = tf.reshape(tf.transpose(z, (0, 2, 1, 3)), (-1, nb_groups, self.units))
            flat = over_bands(flat, training=training)
            z = tf.transpose(tf.reshape(flat, (nb_batch, nb_frames, nb_groups, self.units)), (0, 2, 1, 3))
        z = self.norm(z)
        outputs = []
        for k, (begin, end) in enumerate(self.groups):
            y = self.heads[k](self.hidden[k](z[:, k]))
            shape = (nb_batch, nb_frames, self.nb_sources, end - begin, self.nb_channels)
            outputs.append(tf.reshape(y, shape))
        # (nb_batch, nb_frames, nb_sources, nb_bins, nb_channels) -> sources first
        return tf.transpose(tf.concat(outputs, axis=3), (2, 0, 1, 3, 4))
