"""The network as a Keras model, block by block as in `rnnsep.network`."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rnnsep.layers.input import Standardisation, compress, seen, with_context
from rnnsep.layers.local import with_contrast
from rnnsep.layers.mask import soft_mask
from rnnsep.layers.trunk import Trunk
from rnnsep.network.bands import from_mel_weights
from rnnsep.network.head import Head
from rnnsep.network.network import Architecture, Network


class MaskNetwork(keras.Model):
    """Magnitudes (nb_batch, nb_frames, nb_bins, nb_inputs) to masks (nb_sources, nb_batch, …, nb_bins, nb_channels).

    Masks are non-negative and sum to one over the sources, except for sigmoid masks. Batches have static sizes.
    """

    def __init__(self, architecture: Architecture):
        super().__init__(name="mask_network")
        self.architecture, self.params = architecture, architecture.params
        params = self.params
        standardise = params.input.standardise
        self.standardisation = Standardisation(name="standardisation") if standardise else None
        self.noise = keras.layers.GaussianNoise(params.input.noise, name="noise") if params.input.noise else None
        self.trunk = Trunk(params.rnn, name="trunk")
        self.heads = [layer_of(head) for head in architecture.heads]
        self.built = True  # otherwise Keras traces the call below in order to build
        self(tf.zeros((1, 1, architecture.nb_bins, architecture.nb_inputs)))

    def see(self, real: tf.Tensor, imaginary: tf.Tensor) -> tf.Tensor:
        """The magnitudes that the network sees of a mixture's STFT (see `network.input.seen`)."""
        params = self.params
        return seen(real, imaginary, self.architecture.pooling, params.input.side, params.mixture_gain)

    def compress(self, magnitude: tf.Tensor) -> tf.Tensor:
        """The network's input before standardisation (see `network.input.compress`)."""
        return compress(magnitude, self.params.input, self.architecture.bank)

    def call(self, magnitude: tf.Tensor, training: bool = False) -> tf.Tensor:
        length, shape = self.params.defects.reset, self.architecture
        if not length:
            return self._masks(magnitude, training)
        # (nb_batch, nb_frames, …) to sequences of that length (nb_batch nb_sequences, length, …), and back
        nb_batch, nb_frames = magnitude.shape[:2]
        filled = tf.pad(magnitude, ((0, 0), (0, -nb_frames % length), (0, 0), (0, 0)))
        masks = self._masks(tf.reshape(filled, (-1, length, shape.nb_bins, shape.nb_inputs)), training)
        masks = tf.reshape(masks, (shape.nb_sources, nb_batch, -1, shape.nb_bins, shape.nb_channels))
        return masks[:, :, :nb_frames]

    def _masks(self, magnitude: tf.Tensor, training: bool) -> tf.Tensor:
        params, shape = self.params, self.architecture
        x = self.compress(magnitude)
        if self.standardisation is not None:
            x = self.standardisation(x)
        if self.noise is not None:
            x = self.noise(x, training=training)
        flat = tf.reshape(x, (*x.shape[:2], shape.nb_bands * shape.nb_inputs))
        if params.input.context:
            flat = with_context(flat, params.input.context)
        hidden = self.trunk(flat, training=training)
        features = tf.transpose(x, (3, 2, 0, 1))  # bands and frames last
        features = with_contrast(features, params.mask.local or (), shape.nb_channels, params.rnn.sees_future)
        first, *others = self.heads
        logits = first(features, hidden)
        for head in others:
            logits += head(features, hidden)
        masks = soft_mask(logits, params.mask.activation)
        if shape.bank is None or not params.mask.mel:
            return masks
        return tf.einsum("...mc,fm->...fc", masks, tf.constant(from_mel_weights(shape.bank)))

    def named_weights(self) -> dict[str, Any]:
        """The trained variables by their path in model files."""
        found = {}
        for weight in self.trainable_variables:
            *path, name = weight.path.split("/")
            inner = [part for part in path if part not in ("mask_network", "trunk") and not part.endswith("_cell")]
            found["/".join([*inner, name])] = weight
        return {path: found[path] for path in self.architecture.shapes}

    def trained(self) -> Network:
        """The network with its current weights, in NumPy."""
        return Network(self.architecture, {path: weight.numpy() for path, weight in self.named_weights().items()})

    def assign(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        for path, weight in self.named_weights().items():
            weight.assign(weights[path])


def layer_of(head: Head) -> keras.layers.Layer:
    """The Keras layer of a head, which is in the module of the same name."""
    module = type(head).__module__.rpartition(".")[2]
    return import_module(f"rnnsep.layers.{module}").Layer(head, name=head.name)
