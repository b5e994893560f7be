"""Soft masks from the logits of a network."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tensorflow as tf

from rnnsep.params import ParamError, Range

MASK_FLOOR = 1e-10  # Huang et al. (2014): defines the ratio where all logits are zero

Activation = Literal["softmax", "relu", "abs", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class MaskParams:
    """Section `mask` of params.yaml."""

    activation: Activation
    mel: bool
    local: tuple[Annotated[int, Range(1)], ...] | None  # radii in bands and frames; None: off
    convolution: Annotated[int, Range(0)] = 0  # feature maps of the convolutional heads; 0: off

    def check(self) -> None:
        if self.local == ():  # DVC 3.67 cannot replace a list by an empty one
            raise ParamError("local", "must name a radius; null turns local contrast off")


def soft_mask(logits: tf.Tensor, activation: Activation) -> tf.Tensor:
    """
    Non-negative masks from `logits`, both (nb_sources, …).

    They sum to one over the sources: `softmax`; `abs` (Huang et al., 2014, equation 3); `relu` (HEL1's predecessor).
    Exception: `sigmoid` masks are independent of each other (Weninger et al., 2014).
    """
    if activation == "softmax":
        # three times as fast as tf.nn.softmax in XLA, which transposes
        positive = tf.exp(logits - tf.stop_gradient(tf.reduce_max(logits, axis=0)))
        return positive / tf.reduce_sum(positive, axis=0)
    if activation == "sigmoid":
        return tf.sigmoid(logits)
    positive = (tf.nn.relu(logits) if activation == "relu" else tf.abs(logits)) + MASK_FLOOR
    return positive / tf.reduce_sum(positive, axis=0, keepdims=True)


def masked_channels(masks: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """
    Estimated magnitudes of all sources as channels, the input of an enhancement network.

    `masks` (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels) times `magnitude` (nb_batch, …, nb_channels) gives
    (nb_batch, nb_frames, nb_bins, nb_sources nb_channels).
    """
    # sources from the front to before the channels
    estimates = tf.transpose(masks * magnitude, (1, 2, 3, 0, 4))
    shape = tf.shape(estimates)
    return tf.reshape(estimates, (shape[0], shape[1], shape[2], masks.shape[0] * masks.shape[-1]))
