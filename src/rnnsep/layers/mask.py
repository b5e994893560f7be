"""The block `network.mask` as TensorFlow operations."""

import tensorflow as tf

from rnnsep.network.mask import MASK_FLOOR, Activation


def soft_mask(logits: tf.Tensor, activation: Activation) -> tf.Tensor:
    """Masks from logits (see `network.mask.soft_mask`)."""
    if activation == "softmax":
        # three times as fast as tf.nn.softmax in XLA, which transposes
        positive = tf.exp(logits - tf.stop_gradient(tf.reduce_max(logits, axis=0)))
        return positive / tf.reduce_sum(positive, axis=0)
    if activation == "sigmoid":
        return tf.sigmoid(logits)
    positive = (tf.nn.relu(logits) if activation == "relu" else tf.abs(logits)) + MASK_FLOOR
    return positive / tf.reduce_sum(positive, axis=0, keepdims=True)


def masked_channels(masks: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """Estimated magnitudes of all sources as channels, the input of an enhancement network.

    `masks` (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels) times `magnitude` (nb_batch, …, nb_channels) gives
    (nb_batch, nb_frames, nb_bins, nb_sources nb_channels).
    """
    # sources from the front to before the channels
    estimates = tf.transpose(masks * magnitude, (1, 2, 3, 0, 4))
    return tf.reshape(estimates, (*estimates.shape[:3], -1))
