"""Positive controls: MIX and IRM1, scored here, against their published scores."""

from collections.abc import Sequence

import numpy as np

from experiments.hel1.excerpts import RATE, Excerpt
from experiments.hel1.networks import Spectrum
from experiments.hel1.published import MEASURES, Array, Published
from experiments.hel1.table import markdown
from rnnsep.signal.stft import StftParams, stft

IRM1 = StftParams(sample_rate=RATE, window=2048, hop=1024, channels="stereo", taper="hann")


def mix_scores(excerpts: Sequence[Excerpt]) -> Array:
    """Scores of MIX (nb_measures, nb_songs, nb_sources, nb_frames)."""
    return np.stack([excerpt.scores(excerpt.share_of_mix) for excerpt in excerpts], axis=1)


def irm1_scores(excerpts: Sequence[Excerpt]) -> Array:
    """Scores of IRM1, the ideal ratio mask of magnitudes."""
    scores = []
    for excerpt in excerpts:
        magnitudes = np.abs(np.stack([stft(source, IRM1) for source in excerpt.sources]))
        masks = magnitudes / np.maximum(magnitudes.sum(axis=0), np.finfo(np.float32).tiny)
        scores.append(excerpt.scores(Spectrum.of(excerpt, IRM1).estimates(masks)))
    return np.stack(scores, axis=1)


def table(published: Published, mix: Array, irm1: Array) -> str:
    """How far scores computed here are from those published, over all frames (dB)."""
    rows = []
    for system, scores in (("MIX", mix), ("IRM1", irm1)):
        differences = scores - published.scores[system]
        for measure, one in zip(MEASURES, differences, strict=True):
            middle, low, high = np.quantile(one, [0.5, 0.05, 0.95])
            rows.append([f"{system}, {measure}", *(f"{value:.3f}" for value in (middle, low, high))])
    return markdown(["here minus published", "median", "5 %", "95 %"], rows)
