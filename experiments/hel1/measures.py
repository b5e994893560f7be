"""
How far the scores of simulated submissions are from HEL1's, and what that says.

Scores are those above MIX (see `published.above`), (…, nb_songs, nb_sources, nb_frames), in dB. "Submissions" have one
more axis in front.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from experiments.hel1.published import Array

FREEDOM = 5  # degrees of freedom of Student's t, whose tails single songs need
OWN = 0.7  # share of the estimated correlations that is kept; the rest is shrunk to 0
TOGETHER = 0.5  # the same between songs, whose correlations are many more
NB_BOOTSTRAPS = 2000


class Comparison(NamedTuple):
    """A measure of HEL1, the same of simulated submissions (nb,), and the share of these that is as extreme or more."""

    observed: float
    simulated: Array
    p: float

    def quantiles(self, *levels: float) -> list[float]:
        """Quantiles of the simulated values."""
        return [float(np.quantile(self.simulated, level)) for level in levels]


def fingerprint(scores: Array) -> Array:
    """
    Median, standard deviation between songs and within songs, of each source: (…, 3, nb_sources).

    The median is over all frames of all songs, the first deviation over the means of songs, the second the root mean
    square of the deviations over the frames of a song.
    """
    flat = np.moveaxis(scores, -3, -2).reshape(*scores.shape[:-3], scores.shape[-2], -1)
    between = scores.mean(axis=-1).std(axis=-2, ddof=1)
    within = np.sqrt(scores.var(axis=-1, ddof=1).mean(axis=-2))
    return np.stack([np.median(flat, axis=-1), between, within], axis=-2)


def distance(one: Array, other: Array) -> Array:
    """Root mean square of the differences of two fingerprints (dB), (…)."""
    return np.sqrt(np.mean(np.square(one - other), axis=(-2, -1)))


def distances(submissions: Array, observed: Array) -> Comparison:
    """The distance from the mean fingerprint of submissions; of simulated ones, from that of the others. p: as far."""
    prints, own = fingerprint(submissions), fingerprint(observed)
    nb, mean = len(prints), prints.mean(axis=0)
    simulated = distance(prints, (mean * nb - prints) / (nb - 1))
    return compare(simulated, float(distance(own, mean)), np.greater_equal)


def correlation(one: Array, other: Array) -> Array:
    """Correlation over all frames of two systems, each source without its mean: (…)."""
    a, b = (scores - scores.mean(axis=(-3, -1), keepdims=True) for scores in (one, other))
    axes = (-3, -2, -1)
    return np.asarray((a * b).sum(axis=axes) / np.sqrt(np.square(a).sum(axis=axes) * np.square(b).sum(axis=axes)))


def bootstrap(one: Array, other: Array) -> tuple[float, float]:
    """95 % interval of the `correlation` of two systems (nb_songs, nb_sources, nb_frames), by drawing songs."""
    drawn = np.random.default_rng(0).integers(0, len(one), (NB_BOOTSTRAPS, len(one)))
    low, high = np.quantile([correlation(one[songs], other[songs]) for songs in drawn], [0.025, 0.975])
    return float(low), float(high)


class Likelihood:
    """
    Likelihood of the means of songs (nb_songs, nb_sources) under a pool (nb_draws, nb_songs, nb_sources, nb_frames).

    Draws are approximated by Student's t. Either each song has its own weights, so that songs are independent of each
    other, or all have the same, so that they are correlated as in the pool.
    """

    def __init__(self, pool: Array):
        self.nb_songs, self.nb_sources = pool.shape[1:3]
        means = pool.mean(axis=3).reshape(len(pool), -1)
        covariance = np.cov(means.T)
        variances = np.diag(np.diag(covariance))
        covariance = OWN * covariance + (1 - OWN) * variances
        songs = np.repeat(np.arange(self.nb_songs), self.nb_sources)
        same_song = songs[:, None] == songs
        self.mean, self.own = means.mean(axis=0), np.where(same_song, covariance, 0)
        self.together = np.where(same_song, covariance, TOGETHER * covariance)

    def of_songs(self, scores: Array) -> Array:
        """Log likelihood (…) of scores with new weights for each song."""
        size, x = self.nb_sources, self._means(scores)
        return np.sum(
            [
                student(x[..., at : at + size], self.mean[at : at + size], self.own[at : at + size, at : at + size])
                for at in range(0, len(self.mean), size)
            ],
            axis=0,
        )

    def same_weights(self, scores: Array) -> Array:
        """Log likelihood ratio (…) of the same weights for all songs to weights of the songs' own."""
        x = self._means(scores)
        return student(x, self.mean, self.together) - student(x, self.mean, self.own)

    def _means(self, scores: Array) -> Array:
        means = scores.mean(axis=-1)
        return means.reshape(*means.shape[:-2], -1)


def student(x: Array, mean: Array, covariance: Array) -> Array:
    """Log density (…) of Student's t with that mean and covariance at x (…, nb)."""
    nb, factor = len(mean), np.linalg.cholesky(covariance * (FREEDOM - 2) / FREEDOM)
    whitened = np.linalg.solve(factor, np.moveaxis(x - mean, -1, 0).reshape(nb, -1))
    squares = np.square(whitened).sum(axis=0).reshape(x.shape[:-1])
    constant = gammaln((FREEDOM + nb) / 2) - gammaln(FREEDOM / 2) - nb / 2 * np.log(FREEDOM * np.pi)
    return np.asarray(constant - np.log(np.diag(factor)).sum() - (FREEDOM + nb) / 2 * np.log1p(squares / FREEDOM))


def folds(nb: int, count: int = 4) -> list[Array]:
    """Masks of parts of `nb` draws, to test a likelihood on draws that it was not estimated from."""
    return [np.arange(nb) % count == part for part in range(count)]


def compare(simulated: Array, observed: float, extreme: Callable[[Array, float], Array]) -> Comparison:
    """A comparison whose p is that of an exact test: HEL1 counts as one of the submissions."""
    return Comparison(observed, simulated, float((1 + extreme(simulated, observed).sum()) / (1 + len(simulated))))
