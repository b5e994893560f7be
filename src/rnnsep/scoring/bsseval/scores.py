"""BSSEval version 4, as museval defines it, and the sources version of BSSEval 3, for whole signals.

References: F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign", LVA/ICA 2018;
E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio source separation", IEEE Transactions on
Audio, Speech and Language Processing 14(4), 2006.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnsep.scoring.bsseval.frames import (
    Array,
    Blocks,
    Energies,
    Frames,
    Signal,
    Signals,
    Span,
    Term,
    crossing,
    measure,
)
from rnnsep.scoring.bsseval.toeplitz import projection_filters

BATCH = 32  # frames measured at a time
KEPT = 256 << 20  # bytes of frames kept from the first pass; those beyond are measured again


class Scores(NamedTuple):
    """Scores in dB, each (nb_sources, nb_frames), and for each reference the estimate that was scored against it."""

    sdr: Array
    isr: Array
    sir: Array
    sar: Array
    permutation: NDArray[np.intp]


class SourceScores(NamedTuple):
    """Scores in dB, each (nb_sources,), and for each reference the estimate that was scored against it."""

    sdr: Array
    sir: Array
    sar: Array
    permutation: NDArray[np.intp]


def bss_eval(
    references: Sequence[Signal],
    estimates: Sequence[Signal],
    window: int,
    hop: int,
    *,
    permutation: bool = False,
    nb_taps: int = 512,
) -> Scores:
    """BSSEval v4: filters from the whole song, scores frame by frame, museval's numbers.

    Both arguments are sequences of signals (nb_samples, nb_channels) or (nb_samples,), or one array of them. They are
    read a few seconds at a time, so open files and memory maps do; so does any scale common to all. Estimates are cut
    or padded with zeros to the length of the references. `window` and `hop` are in samples: there are
    floor((nb_samples - window) / hop) + 1 frames, so a last partial one counts only for the filters, and a window
    longer than the song is one frame. With `permutation` the estimates are taken in the order of highest mean SIR.

    A frame in which any reference or estimate is silent (its channels sum to zero in each sample) scores NaN for all
    sources; so a song of which one source is silent throughout scores NaN only, where museval raises. A score whose
    error is exactly zero is +inf; beyond some 100 dB scores are rounding noise, here as in museval. Silent, equal or
    otherwise dependent channels are no error: the projection on what they span is unique.
    """
    signals = Signals(references, estimates)
    if window < 1 or hop < 1:
        raise ValueError(f"window {window} and hop {hop} must be at least one sample")
    window = min(window, signals.nb_samples)
    spans = [(start, start + window) for start in range(0, signals.nb_samples - window + 1, hop)]
    blocks = Blocks.of(nb_taps, window)
    whole, kept = _whole(signals, window, blocks, spans)
    pairs = _pairs(signals, permutation)
    energies = Energies(signals, _terms(signals, whole, pairs, images=True), blocks)
    columns = []
    for frames in _again(signals, kept, spans, blocks):
        terms = energies(frames).T.reshape(len(pairs), 5, -1)
        images = frames.energies[:, : signals.nb_columns].reshape(len(frames.spans), signals.nb_sources, -1).sum(axis=2)
        scores = np.full((4, signals.nb_sources, signals.nb_sources, len(frames.spans)), np.nan)
        for (j, k), (spatial, own, interference, projected, artefacts) in zip(pairs, terms, strict=True):
            scores[0, j, k] = _db(images[:, j], frames.distortions[:, j, k])
            scores[1, j, k] = _db(images[:, j], spatial)
            scores[2, j, k] = _db(own, interference)
            scores[3, j, k] = _db(projected, artefacts)
        scores[..., frames.silent] = np.nan
        columns.append(scores)
    return Scores(*_ordered(np.concatenate(columns, axis=3), permutation))


def bss_eval_sources(
    references: Sequence[Signal],
    estimates: Sequence[Signal],
    *,
    permutation: bool = False,
    nb_taps: int = 512,
) -> SourceScores:
    """BSSEval v3's `bss_eval_sources` over the whole signals, the scores that GNSDR, GSIR and GSAR are made of.

    Arguments and rules are those of `bss_eval`, with one frame.
    """
    signals = Signals(references, estimates)
    blocks = Blocks.of(nb_taps, signals.nb_samples)
    frames = measure(signals, [(0, signals.nb_samples)], blocks)
    pairs = _pairs(signals, permutation)
    terms = _terms(signals, frames.correlations[0], pairs, images=False)
    scores = np.full((3, signals.nb_sources, signals.nb_sources, 1), np.nan)
    values = Energies(signals, terms, blocks)(frames).reshape(len(pairs), 5, 1)
    for (j, k), (distortion, own, interference, projected, artefacts) in zip(pairs, values, strict=True):
        scores[:, j, k] = _db(own, distortion), _db(own, interference), _db(projected, artefacts)
    scores[..., frames.silent] = np.nan
    *sdr_sir_sar, order = _ordered(scores, permutation, sir=1)
    return SourceScores(*(score[:, 0] for score in sdr_sir_sar), order)


def _whole(signals: Signals, window: int, blocks: Blocks, spans: list[Span]) -> tuple[Array, list[Frames]]:
    """The song's correlations, and those of its first frames where they were measured on the way."""
    segments = [(start, min(start + window, signals.nb_samples)) for start in range(0, signals.nb_samples, window)]
    nb_kept = 0
    if segments[: len(spans)] == spans:
        nb_kept = min(len(spans), KEPT // (16 * blocks.nb_taps * signals.nb_columns**2))
    whole = np.zeros((blocks.nb_taps, signals.nb_columns, 2 * signals.nb_columns))
    kept = []
    for first in range(0, len(segments), BATCH):
        batch = segments[first : first + BATCH]
        frames = measure(signals, batch, blocks)
        whole += frames.correlations.sum(axis=0) + crossing(signals, batch, blocks.nb_taps)
        if first < nb_kept:
            kept.append(frames.first(nb_kept - first))
    return whole, kept


def _again(signals: Signals, kept: list[Frames], spans: list[Span], blocks: Blocks) -> Iterator[Frames]:
    yield from kept
    nb_kept = sum(len(frames.spans) for frames in kept)
    for first in range(nb_kept, len(spans), BATCH):
        yield measure(signals, spans[first : first + BATCH], blocks)


def _pairs(signals: Signals, permutation: bool) -> list[tuple[int, int]]:
    """References and the estimates that they are to be scored with."""
    sources = range(signals.nb_sources)
    return [(j, k) for j in sources for k in sources if permutation or j == k]


def _terms(signals: Signals, whole: Array, pairs: list[tuple[int, int]], images: bool) -> list[Term]:
    """Five energies for each pair, from filters fitted to the correlations of the whole song.

    They are those of the projection on the reference, less the reference (`images`) or less the estimate; of the
    projection on the reference; of the projection on all references, less that; of the latter; of the latter,
    less the estimate.
    """
    columns, channels = signals.nb_columns, signals.nb_channels
    everything = projection_filters(whole[:, :, :columns], whole[:, :, columns:])
    terms = []
    for j, k in pairs:
        reference, estimate = slice(j * channels, (j + 1) * channels), signals.image(k)
        own = np.zeros((len(whole), columns, channels))
        own[:, reference] = projection_filters(whole[:, reference, reference], whole[:, reference, estimate])
        identity = np.zeros(own.shape)
        identity[0, reference] = np.eye(channels)
        projection = everything[:, :, k * channels : (k + 1) * channels]
        terms += [
            Term(own - identity) if images else Term(own, k),
            Term(own),
            Term(projection - own),
            Term(projection),
            Term(projection, k),
        ]
    return terms


def _db(signal: Array, error: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, np.inf, 10 * np.log10(signal / error))


def _ordered(scores: Array, permutation: bool, sir: int = 2) -> list[NDArray]:
    """Scores (nb_scores, nb_references, nb_estimates, nb_frames) in the best order, and that order.

    As in museval, one NaN frame makes all orders equal, and the first is taken.
    """
    sources = np.arange(scores.shape[1])
    orders = np.array(list(permutations(sources)) if permutation else [sources])
    best = orders[np.argmax([scores[sir, sources, order].mean() for order in orders])]
    return [*scores[:, sources, best], best]
