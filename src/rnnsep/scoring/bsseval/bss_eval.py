"""BSSEval version 4, as museval defines it, and versions 2 and 3, whose filters are those of each frame.

References: F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign", LVA/ICA 2018;
E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio source separation", IEEE Transactions on
Audio, Speech and Language Processing 14(4), 2006.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from math import ceil, floor, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rnnsep.scoring.bsseval.frames import Array, Blocks, Energies, Frames, Signals, Span, Term, crossing, measure
from rnnsep.scoring.bsseval.toeplitz import projection_filters
from rnnsep.signal.streams import Audio

Pair = tuple[int, int]  # a reference and an estimate

BATCH = 32  # frames measured at a time
KEPT = 192 << 20  # bytes of frames kept from the first pass; those beyond are measured again


class Scores(NamedTuple):
    """Scores in dB, each (nb_sources, nb_frames), and for each reference the estimate that was scored against it.

    `permutation` has shape (nb_sources,), or (nb_sources, nb_frames) if each frame has an order of its own.
    """

    sdr: Array
    isr: Array
    sir: Array
    sar: Array
    permutation: NDArray[np.intp]


def bss_eval(
    references: Sequence[Audio],
    estimates: Sequence[Audio],
    window: float,
    hop: float,
    *,
    permutation: bool = False,
    nb_taps: int = 512,
    framewise: bool = False,
    filtered: bool = False,
) -> Scores:
    """BSSEval v4: filters from the whole song, scores frame by frame, museval's numbers.

    Both arguments are sequences of signals (nb_samples, nb_channels) or (nb_samples,), or one array of them. They are
    read a few seconds at a time, so open files and memory maps do; so does any scale common to all. Estimates are cut
    or padded with zeros to the length of the references. `window` and `hop` are in samples: there are
    floor((nb_samples - window) / hop) + 1 frames, so a last partial one counts only for the filters, and a window
    longer than the song is one frame. With `permutation` the estimates are taken in the order of highest mean SIR.

    With `framewise` each frame has filters, and an order, of its own, as in BSSEval v3. With `filtered` a reference
    through its filter counts as its true image, as in the `sources` functions of versions 2 and 3; there is no ISR
    then.

    A frame in which any reference or estimate is silent (its channels sum to zero in each sample) scores NaN for all
    sources; so a song of which one source is silent throughout scores NaN only, where museval raises. A score whose
    error is exactly zero is +inf; beyond some 100 dB scores are rounding noise, here as in museval. Silent, equal or
    otherwise dependent channels are no error: the projection on what they span is unique.
    """
    signals = Signals(references, estimates)
    spans = frame_spans(signals.nb_samples, window, hop)
    length = ceil(min(window, signals.nb_samples))
    blocks = Blocks.of(nb_taps, length)
    with threadpool_limits(1):  # products are small: threads cost more than they gain, and change the rounding
        if framewise:
            parts = [
                _scored(signals, frames.correlations[0], [frames], blocks, permutation, filtered)
                for frames in (measure(signals, [span], blocks) for span in spans)
            ]
            scores = np.concatenate([part for part, _ in parts], axis=2)
            order = np.array([order for _, order in parts]).T
        else:
            whole, kept = _whole(signals, length, blocks, spans)
            batches = _again(signals, kept, spans, blocks)
            scores, order = _scored(signals, whole, batches, blocks, permutation, filtered)
    sdr, sir, sar, *rest = scores
    return Scores(sdr, rest[0] if rest else np.full_like(sdr, np.nan), sir, sar, order)


def frame_spans(nb_samples: int, window: float, hop: float) -> list[Span]:
    """(start, stop) of each frame in samples; those that reach beyond the end are left out, but never all.

    `window` and `hop` need not be whole numbers; starts and stops are rounded down. Raises ValueError where they are
    below one sample, or there are several windows and `hop` is not finite.
    """
    if not (window >= 1 and hop >= 1):
        raise ValueError(f"window {window} and hop {hop} must be at least one sample")
    if window >= nb_samples:
        return [(0, nb_samples)]
    if hop == inf:
        raise ValueError(f"hop must be finite with a window of {window} samples, shorter than the signal")
    nb_frames = floor((nb_samples - window + hop) / hop)
    return [(floor(t * hop), floor(min(t * hop + window, nb_samples))) for t in range(nb_frames)]


def _whole(signals: Signals, window: int, blocks: Blocks, spans: list[Span]) -> tuple[Array, list[Frames]]:
    """The song's correlations, and those of its first frames where they were measured on the way."""
    segments = [(start, min(start + window, signals.nb_samples)) for start in range(0, signals.nb_samples, window)]
    nb_kept = 0
    if segments[: len(spans)] == spans:
        nb_kept = min(len(spans), KEPT // (16 * blocks.nb_taps * signals.nb_columns**2))
    whole = np.zeros((blocks.nb_taps, signals.nb_columns, 2 * signals.nb_columns))
    kept, before = [], np.zeros((2 * signals.nb_columns, 0))
    for first in range(0, len(segments), BATCH):
        batch = segments[first : first + BATCH]
        frames = measure(signals, batch, blocks)
        across, before = crossing(frames, before, blocks)
        whole += frames.correlations.sum(axis=0) + across
        if first < nb_kept:
            kept.append(frames.first(nb_kept - first))
    return whole, kept


def _again(signals: Signals, kept: list[Frames], spans: list[Span], blocks: Blocks) -> Iterator[Frames]:
    yield from kept
    nb_kept = sum(len(frames.spans) for frames in kept)
    for first in range(nb_kept, len(spans), BATCH):
        yield measure(signals, spans[first : first + BATCH], blocks)


def _projections(signals: Signals, whole: Array, permutation: bool) -> Iterator[tuple[Pair, Array, Array, Array]]:
    """Each pair of reference and estimate to be scored, with three filters (nb_taps, nb_columns, nb_channels).

    They turn the references into the reference as it is, into the projection of the estimate on that reference, and
    into its projection on all references. `whole` holds the song's correlations.
    """
    columns, channels, sources = signals.nb_columns, signals.nb_channels, range(signals.nb_sources)
    everything = projection_filters(whole[:, :, :columns], whole[:, :, columns:])
    for j in sources:
        here = slice(j * channels, (j + 1) * channels)
        for k in sources if permutation else [j]:
            image, own = np.zeros((2, len(whole), columns, channels))
            image[0, here] = np.eye(channels)
            own[:, here] = projection_filters(whole[:, here, here], whole[:, here, signals.image(k)])
            yield (j, k), image, own, everything[:, :, k * channels : (k + 1) * channels]


def _scored(
    signals: Signals, correlations: Array, batches: Iterable[Frames], blocks: Blocks, permutation: bool, filtered: bool
) -> tuple[Array, NDArray[np.intp]]:
    """SDR, SIR, SAR and, unless `filtered`, ISR (nb_scores, nb_sources, nb_frames), and the order of estimates.

    Filters follow from `correlations`, those of the whole song or of a frame; the frames scored are in `batches`.
    """
    ratios = {}
    for pair, image, own, everything in _projections(signals, correlations, permutation):
        true = own if filtered else image
        ratios[pair] = [
            (Term(true), Term(true, pair[1])),
            (Term(own), Term(everything - own)),
            (Term(everything), Term(everything, pair[1])),
        ] + ([] if filtered else [(Term(image), Term(own - image))])
    return _ordered(_scores(signals, ratios, blocks, batches), permutation)


def _scores(
    signals: Signals, ratios: dict[Pair, list[tuple[Term, Term]]], blocks: Blocks, batches: Iterable[Frames]
) -> Array:
    """Scores in dB (nb_scores, nb_references, nb_estimates, nb_frames) of the pairs in `ratios`, NaN for others."""
    terms = [term for pairs in ratios.values() for pair in pairs for term in pair]
    energies = Energies(signals, terms, blocks)
    scores = []
    for frames in batches:
        signal, error = energies(frames).T.reshape(len(ratios), -1, 2, len(frames.spans)).transpose(2, 1, 0, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            decibels = np.where(error == 0, np.inf, 10 * np.log10(signal / error))
        decibels[..., signals.silent(frames.energies)] = np.nan
        scores.append(decibels)
    references, estimates = np.array(list(ratios)).T
    square = np.full((len(scores[0]), signals.nb_sources, signals.nb_sources, sum(s.shape[2] for s in scores)), np.nan)
    square[:, references, estimates] = np.concatenate(scores, axis=2)
    return square


def _ordered(scores: Array, permutation: bool) -> tuple[Array, NDArray[np.intp]]:
    """Scores (nb_scores, nb_sources, nb_frames) in the order of estimates with the highest mean SIR, and that order.

    The SIR is the second score.

    As in museval, one NaN frame makes all orders equal, and the first is taken.
    """
    sources = np.arange(scores.shape[1])
    orders = np.array(list(permutations(sources)) if permutation else [sources])
    best = orders[np.argmax([scores[1, sources, order].mean() for order in orders])]
    return scores[:, sources, best], best
