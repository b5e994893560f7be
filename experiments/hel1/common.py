"""
Whether the masks of a submission have a part that is common to all songs.

One gain per band and source, the same in all songs, is fitted to the SDR of the frames of some songs, and predicts the
SDR of the others. This needs no assumption about the network. Masks of the same weights have much in common; masks of
new weights for each song have nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.fft import irfft, rfft, rfftfreq

from experiments.hel1.excerpts import Excerpt
from experiments.hel1.measures import correlation
from experiments.hel1.published import Array

EDGES = (0, 100, 250, 500, 1000, 2000, 4000, 8000, np.inf)  # Hz
NB_FOLDS = 7
NB_STEPS = 6
RIDGE = 0.1  # pull of the gains towards those of MIX, relative to their mean precision
MAXIMUM = 1.5  # largest gain


@dataclass(frozen=True)
class Bands:
    """
    What the SDR of a mixture with a gain per band depends on, for all frames of all songs.

    gram: inner products of bands (nb_songs, nb_frames, nb_bands, nb_bands). cross: of sources and bands (nb_songs,
    nb_sources, nb_frames, nb_bands). energy: of sources, mix: SDR of MIX (nb_songs, nb_sources, nb_frames).
    """

    gram: Array
    cross: Array
    energy: Array
    mix: Array

    @classmethod
    def of(cls, excerpts: Sequence[Excerpt]) -> "Bands":
        """The inner products of excerpts."""
        parts = [_products(excerpt) for excerpt in excerpts]
        return cls(*(np.stack(arrays) for arrays in zip(*parts, strict=True)))

    def predicted(self, scores: Array) -> Array:
        """SDR over MIX of each song, from gains fitted to `scores`, the SDR over MIX of the songs of other folds."""
        result = np.empty_like(scores)
        nb_songs, nb_sources, _ = scores.shape
        for fold in range(min(NB_FOLDS, nb_songs)):
            held = np.arange(nb_songs) % min(NB_FOLDS, nb_songs) == fold
            for source in range(nb_sources):
                gains = self._fitted(scores, ~held, source)
                result[held, source] = self.above_mix(gains, held, source)
        return result

    def agreement(self, scores: Array) -> float:
        """Mean over sources of the correlation over frames of `scores` with what is predicted for held-out songs."""
        return float(np.mean(self.agreements(scores)))

    def agreements(self, scores: Array) -> list[float]:
        """The correlation of each source."""
        predicted, nb_sources = self.predicted(scores), scores.shape[1]
        return [float(correlation(predicted[:, [s]], scores[:, [s]])) for s in range(nb_sources)]

    def _fitted(self, scores: Array, songs: Array, source: int) -> Array:
        """
        Gains (nb_bands,) that fit the frames of `songs`, starting from those of MIX.

        Regularised Gauss-Newton steps; a frame counts less the more it differs.
        """
        start = np.full(self.gram.shape[-1], 1 / scores.shape[1])
        gains = start
        for _ in range(NB_STEPS):
            error, halved = self._errors(gains, songs, source)
            slopes = (-20 / np.log(10) * halved / error[..., None]).reshape(-1, len(gains))
            missing = (scores[songs, source] - self.above_mix(gains, songs, source)).ravel()
            weighted = slopes / np.sqrt(1 + np.square(missing))[:, None]
            normal = weighted.T @ slopes
            ridge = RIDGE * np.trace(normal) / len(gains)
            step = weighted.T @ missing - ridge * (gains - start)
            gains = np.clip(gains + np.linalg.solve(normal + ridge * np.eye(len(gains)), step), 0, MAXIMUM)
        return gains

    def above_mix(self, gains: Array, songs: Array, source: int) -> Array:
        """SDR over MIX (nb, nb_frames) of a source in the chosen `songs`, from gains (nb_bands,)."""
        error, _ = self._errors(gains, songs, source)
        return np.asarray(10 * np.log10(self.energy[songs, source] / error) - self.mix[songs, source])

    def _errors(self, gains: Array, songs: Array, source: int) -> tuple[Array, Array]:
        """Energy of the error (nb, nb_frames), and half of its slopes by the gains (nb, nb_frames, nb_bands)."""
        filtered = self.gram[songs] @ gains
        cross = self.cross[songs, source]
        return self.energy[songs, source] - 2 * cross @ gains + filtered @ gains, filtered - cross


def _products(excerpt: Excerpt) -> tuple[Array, Array, Array, Array]:
    spectrum, nb_samples = rfft(excerpt.mixture.astype(float), axis=0), len(excerpt.mixture)
    frequencies = rfftfreq(nb_samples, 1 / excerpt.rate)[:, None]
    signals = [
        irfft(np.where((low <= frequencies) & (frequencies < high), spectrum, 0), nb_samples, axis=0)
        for low, high in pairwise(EDGES)
    ]
    # (nb_signals, nb_frames, nb_samples nb_channels)
    bands, sources = (
        excerpt.cut(one).reshape(len(one), excerpt.nb_frames, -1) for one in (np.stack(signals), excerpt.sources)
    )
    gram = np.einsum("bfn,cfn->fbc", bands, bands, optimize=True)
    cross = np.einsum("sfn,bfn->sfb", sources, bands, optimize=True)
    return gram, cross, np.square(sources.astype(float)).sum(axis=2), excerpt.sdr_of_mix
