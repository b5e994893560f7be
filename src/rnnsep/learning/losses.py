"""Losses of soft masks, each a mean over sources, batch, frames, bins and channels.

All losses take the same four tensors:

- `m`: masks (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels)
- `x`: magnitude of the mixture, (nb_batch, nb_frames, nb_bins, nb_channels)
- `s`: magnitude of each source, shaped as `m`
- `r`: real part of source times conjugate mixture, shaped as `m`; so |m X - S|² = m² x² - 2 m r + s²
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import tensorflow as tf

from rnnsep.params import Range

FLOOR = 1e-8
SDR_FLOOR = 1e-3  # -30 dB: an error further below the mixture counts as silence

LossName = Literal["magnitude", "mask", "kl", "phase", "sdr"]


@dataclass(frozen=True, kw_only=True)
class LossParams:
    """Section `loss` of params.yaml."""

    name: LossName
    discrimination: Annotated[float, Range(0, 0.99)]
    pretraining_epochs: Annotated[int, Range(0)]
    segment: Annotated[int, Range(0)]  # frames; 0: whole sequences
    scale: Annotated[float, Range(1e-9)]


def magnitude(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
    """(m x - s)²: signal approximation (Weninger et al., 2014), joint mask optimisation (Huang et al., 2014)."""
    return tf.reduce_mean(tf.square(m * x - s))


def mask(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
    """(m - m*)² with the ratio mask m*: mask approximation (Weninger et al., 2014)."""
    return tf.reduce_mean(tf.square(m - s / (tf.reduce_sum(s, axis=0) + FLOOR)))


def kl(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
    """Generalised Kullback-Leibler divergence between s and m x (Huang et al., 2014, equation 6)."""
    estimate = m * x + FLOOR
    return tf.reduce_mean(s * tf.math.log((s + FLOOR) / estimate) - s + estimate)


def phase(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
    """(m x - s cos θ)², θ between source and mixture: phase-sensitive approximation (Erdogan et al., 2015)."""
    return tf.reduce_mean(tf.square(m * x - r / (x + FLOOR)))


def sdr(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor, segment: int = 0) -> tf.Tensor:
    """Natural log of the error energy of the complex spectrum over the energy of the mixture, per source and segment.

    `segment` is a number of frames that divides nb_frames; 0: the whole sequence.
    """
    axes = [-3, -2, -1]  # frames, bins, channels
    error = tf.square(m * x) - 2 * m * r + tf.square(s)
    energy = tf.square(x)
    if segment:
        error, energy = (tf.reduce_sum(one, axis=axes[1:]) for one in (error, energy))
        error, energy = (tf.reshape(one, (*one.shape[:-1], -1, segment)) for one in (error, energy))
        axes = [-1]
    error, energy = tf.reduce_sum(error, axis=axes), tf.reduce_sum(energy, axis=axes)
    return tf.reduce_mean(tf.math.log((tf.nn.relu(error) + FLOOR) / (energy + FLOOR) + SDR_FLOOR))


LOSSES: dict[str, Callable[..., tf.Tensor]] = {
    "magnitude": magnitude,
    "mask": mask,
    "kl": kl,
    "phase": phase,
    "sdr": sdr,
}


def loss_of(params: LossParams, m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
    """The loss `params.name` minus the discriminative term, times the scale.

    The term is the weight times the same loss of each estimate against each other source, summed over the other
    sources (Huang et al., 2014, equation 5, and 2015 for more than two sources).
    """
    function = partial(sdr, segment=params.segment) if params.name == "sdr" else LOSSES[params.name]
    loss = function(m, x, s, r)
    if params.discrimination:
        for shift in range(1, m.shape[0]):
            others = tf.roll(s, shift, axis=0), tf.roll(r, shift, axis=0)
            loss -= params.discrimination * function(m, x, *others)
    return loss if params.scale == 1 else params.scale * loss
