"""The block `network.convolution` as a Keras layer."""

from typing import Any

import keras
import tensorflow as tf

from rnnsep.network import convolution
from rnnsep.network.convolution import DILATIONS


class Layer(keras.layers.Layer):
    """See `network.convolution.ConvolutionalHead`."""

    def __init__(self, head: convolution.ConvolutionalHead, **kwargs: Any):
        super().__init__(**kwargs)
        self.head = head
        starts = {"kernel": "he_normal", "bias": "zeros", "band": "ones", "gate": "zeros", "out": "zeros"}
        self.maps = {
            path: self.add_weight(shape=shape, initializer=starts[path.split("_")[0]], name=path)
            for path, shape in self.head.shapes.items()
        }
        self.built = True

    def call(self, features: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        """Logits (nb_sources, nb_batch, nb_frames, nb_bands, nb_channels).

        `features` are (nb_features, nb_bands, nb_batch, nb_frames), `hidden` is (nb_batch, nb_frames, width).
        """
        sizes, weights = self.head.sizes, self.maps
        x = tf.transpose(features, (2, 3, 1, 0))  # (nb_batch, nb_frames, nb_bands, nb_features)
        for dilation in DILATIONS:
            y = tf.nn.relu(
                dilated(x, weights[f"kernel_{dilation}"], dilation, sizes.future) + weights[f"bias_{dilation}"]
            )
            x = x + y if dilation > 1 else y
        y = x * (weights["band"] + tf.matmul(hidden, weights["gate"])[:, :, None])
        y = tf.matmul(tf.reshape(y, (-1, self.head.nb_maps)), weights["out"])
        y = tf.reshape(y, (*x.shape[:3], sizes.nb_sources, sizes.nb_channels))
        return tf.transpose(y, (3, 0, 1, 2, 4))


def dilated(x: tf.Tensor, kernel: tf.Tensor, dilation: int, future: bool) -> tf.Tensor:
    """Convolution of (nb_batch, nb_frames, nb_bands, nb_inputs) with a dilated kernel (3, 3, nb_inputs, nb_maps).

    Outside of `x` are zeros. The kernel is centred on its band, and on its frame or, unless `future`, ends with it.
    """
    # frames and bands dilation apart become a batch: TensorFlow has no gradient of dilated kernels on CPUs
    fill = -x.shape[1] % dilation, -x.shape[2] % dilation
    before, after = (dilation, dilation) if future else (2 * dilation, 0)
    paddings = ((before, after + fill[0]), (dilation, dilation + fill[1]))
    y = tf.space_to_batch(x, (dilation, dilation), paddings)
    y = tf.nn.conv2d(y, kernel, 1, "VALID")
    return tf.batch_to_space(y, (dilation, dilation), ((0, fill[0]), (0, fill[1])))
