"""Losses of a soft mask, each a mean over sources and everything else.

All take the same four tensors, which is all that masks need of the data:

- `m`: masks (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels)
- `x`: magnitude of the mixture, (nb_batch, nb_frames, nb_bins, nb_channels)
- `s`: magnitude of each source, shaped as `m`
- `r`: real part of source times conjugate mixture, shaped as `m`; so |m X - S|² = m² x² - 2 m r + s²
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal

import tensorflow as tf

from rnnsep.params import Range

FLOOR = 1e-8
SDR_FLOOR = 1e-3  # -30 dB: what lies further below the mixture is as good as silence

LossName = Literal["magnitude", "mask", "kl", "phase", "sdr"]


@dataclass(frozen=True)
class LossParams:
    """Section `loss` of params.yaml."""

    name: LossName
    discrimination: Annotated[float, Range(0, 0.99)]
    pretraining: LossName  # of the first `training.pretraining` epochs
    power: Annotated[float, Range(0.1, 2)]
    segment: Annotated[int, Range(0)]  # frames; 0: whole sequences
    scale: Annotated[float, Range(1e-9)]

    @property
    def first(self) -> "LossParams":
        """The loss to pre-train with."""
        return replace(self, name=self.pretraining)


def magnitude(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor, power: float = 1.0) -> tf.Tensor:
    """(m x - s)²: signal approximation (Weninger et al., 2014); the joint mask of Huang et al. (2014).

    Both magnitudes to the `power`, below 1 so that quiet bins count for more.
    """
    if power == 1:
        return tf.reduce_mean(tf.square(m * x - s))
    return tf.reduce_mean(tf.square(tf.pow(m * x + FLOOR, power) - tf.pow(s + FLOOR, power)))


def mask(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
    """(m - m*)² with the ratio mask m*: mask approximation (Weninger et al., 2014)."""
    return tf.reduce_mean(tf.square(m - s / (tf.reduce_sum(s, axis=0) + FLOOR)))


def kl(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
    """Generalised Kullback-Leibler divergence of m x from s (Huang et al., 2014, equation 6)."""
    estimate = m * x + FLOOR
    return tf.reduce_mean(s * tf.math.log((s + FLOOR) / estimate) - s + estimate)


def phase(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
    """(m x - s cos θ)², θ between source and mixture: phase-sensitive approximation (Erdogan et al., 2015)."""
    return tf.reduce_mean(tf.square(m * x - r / (x + FLOOR)))


def sdr(m: tf.Tensor, x: tf.Tensor, s: tf.Tensor, r: tf.Tensor, segment: int = 0) -> tf.Tensor:
    """log of the complex spectrum's error over the mixture's energy, per source and segment (natural log).

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
    """The loss that `params` names, less its discriminative term.

    The term is the weight times the same loss of every estimate against every other source, summed over the other
    sources (Huang et al., 2014, equation 5, and 2015 for more than two). All is multiplied by the scale.
    """
    options: dict[str, dict[str, float]] = {"magnitude": {"power": params.power}, "sdr": {"segment": params.segment}}
    function = partial(LOSSES[params.name], **options.get(params.name, {}))
    loss = function(m, x, s, r)
    if params.discrimination:
        for shift in range(1, m.shape[0]):
            others = tf.roll(s, shift, axis=0), tf.roll(r, shift, axis=0)
            loss -= params.discrimination * function(m, x, *others)
    return loss if params.scale == 1 else params.scale * loss
