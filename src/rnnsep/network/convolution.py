"""Convolutional heads: shapes around a bin, such as glides and onsets, by weights shared among bins and frames.

Local contrast (see `local`) compares a bin with means of its surroundings. These heads learn what to compare it with.
Dilated convolutions: Yu and Koltun (2016).
"""

import keras
import tensorflow as tf

DILATIONS = (1, 2, 4)  # of the layers


class ConvolutionalHeads(keras.layers.Layer):
    """Logits Σ_k v_k (w_k + g_k) z_k from feature maps z_k of the input, added to those of the heads.

    The maps are those of three convolutions with dilation 1, 2 and 4, each with ReLU, the second and third as residuals
    of their input; so they see 7 bands on each side, and 7 frames on each side (only earlier frames, unless `future`).
    The input is standardised magnitudes, with the features of local contrast, if any (see `LocalHeads.features`).
    v depends on source and channel, w on the band, and g, a linear function of the hidden state, on the frame.
    """

    def __init__(self, nb_sources: int, nb_channels: int, nb_maps: int, future: bool, **kwargs: object):
        super().__init__(**kwargs)
        self.nb_sources, self.nb_channels, self.nb_maps, self.future = nb_sources, nb_channels, nb_maps, future

    def build(self, x_shape: tuple[int, ...], hidden_shape: tuple[int, ...]) -> None:
        """Shapes of the input (nb_batch, nb_frames, nb_bands, nb_inputs) and of the hidden state."""
        self.nb_bands, nb_inputs = x_shape[2:]
        self.layers = []
        for dilation in DILATIONS:
            size = (3, 3, nb_inputs, self.nb_maps)
            kernel = self.add_weight(shape=size, initializer="he_normal", name=f"kernel_{dilation}")
            bias = self.add_weight(shape=(self.nb_maps,), initializer="zeros", name=f"bias_{dilation}")
            self.layers.append((dilation, kernel, bias))
            nb_inputs = self.nb_maps
        self.band = self.add_weight(shape=(self.nb_bands, self.nb_maps), initializer="ones", name="band")
        self.gate = self.add_weight(shape=(hidden_shape[-1], self.nb_maps), initializer="zeros", name="gate")
        shape = (self.nb_maps, self.nb_sources * self.nb_channels)
        self.out = self.add_weight(shape=shape, initializer="zeros", name="out")
        self.built = True

    def maps(self, x: tf.Tensor) -> tf.Tensor:
        """(nb_batch, nb_frames, nb_bands, nb_inputs) to (nb_batch, nb_frames, nb_bands, nb_maps)."""
        size = x.shape[1] or tf.shape(x)[1], self.nb_bands
        for number, (dilation, kernel, bias) in enumerate(self.layers):
            y = tf.nn.relu(dilated(x, size, kernel, dilation, self.future) + bias)
            x = x + y if number else y
        return x

    def call(self, x: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        """Logits (nb_sources, nb_batch, nb_frames, nb_bands, nb_channels).

        `x` is the standardised input (see `build`), `hidden` the hidden state (nb_batch, nb_frames, nb_units).
        """
        nb_batch, nb_frames = tf.shape(x)[0], tf.shape(x)[1]
        y = self.maps(x) * (self.band + tf.matmul(hidden, self.gate)[:, :, None])
        y = tf.matmul(tf.reshape(y, (-1, self.nb_maps)), self.out)
        y = tf.reshape(y, (nb_batch, nb_frames, self.nb_bands, self.nb_sources, self.nb_channels))
        return tf.transpose(y, (3, 0, 1, 2, 4))


def dilated(
    x: tf.Tensor, size: tuple[int | tf.Tensor, int], kernel: tf.Tensor, dilation: int, future: bool
) -> tf.Tensor:
    """Convolution of (nb_batch, nb_frames, nb_bands, nb_inputs) with a dilated kernel (3, 3, nb_inputs, nb_maps).

    `size` is (nb_frames, nb_bands); outside of `x` are zeros. The kernel is centred on its band, and on its frame or,
    unless `future`, ends with it.
    """
    # frames and bands dilation apart become a batch: TensorFlow has no gradient of dilated kernels on CPUs
    fill = -size[0] % dilation, -size[1] % dilation
    before, after = (dilation, dilation) if future else (2 * dilation, 0)
    paddings = ((before, after + fill[0]), (dilation, dilation + fill[1]))
    y = tf.space_to_batch(x, (dilation, dilation), paddings)
    y = tf.nn.conv2d(y, kernel, 1, "VALID")
    return tf.batch_to_space(y, (dilation, dilation), ((0, fill[0]), (0, fill[1])))
