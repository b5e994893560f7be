"""Frames of references and estimates: their short-lag correlations, and the energies that follow from them.

The energy of filtered references, cut to a frame, depends on that frame's correlations over the filters' length only.
So each frame is transformed once, in short blocks, and every energy is a scalar product.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from scipy import fft

from rnnsep.signal.streams import Audio

Array = NDArray[np.float64]
Span = tuple[int, int]

CHUNK = 32  # blocks transformed at a time
DOUBTFUL = 1e-8  # relative to the terms of an energy; smaller energies are recomputed from the samples


class Signals:
    """References and estimates side by side, as columns (source, channel), references first.

    The columns of a stereo signal are the sum and the difference of left and right. They span the same space, all
    energies double, and where left and right are equal or nearly so the problem stays well conditioned. Of more
    channels the columns are the sum and combinations orthogonal to it, and energies grow by the number of channels.

    Estimates are cut or padded with zeros to the length of the references. Raises ValueError where numbers of
    sources or channels, or lengths of references, differ, and for signals with more channels than samples.
    """

    def __init__(self, references: Sequence[Audio], estimates: Sequence[Audio]):
        if len(references) != len(estimates) or len(references) == 0:
            raise ValueError(f"{len(references)} references and {len(estimates)} estimates: numbers must be equal")
        self.signals = [*references, *estimates]
        shapes = [tuple(signal.shape) for signal in self.signals]
        if any(len(shape) not in (1, 2) or 0 in shape for shape in shapes):
            raise ValueError(f"signals must have shape (nb_samples, nb_channels), not {shapes}")
        if len({shape[1:] for shape in shapes}) > 1 or len({shape[0] for shape in shapes[: len(references)]}) > 1:
            raise ValueError(f"signals differ in shape: {shapes}")
        if any(shape[1] > max(shape[0], 2) for shape in shapes if shape[1:]):
            raise ValueError(
                f"signals must be (nb_samples, nb_channels), but are {shapes[0]}; transpose them (audio.T)"
            )
        self.nb_sources = len(references)
        self.nb_samples = shapes[0][0]
        self.nb_channels = shapes[0][1] if shapes[0][1:] else 1
        columns = np.arange(self.nb_channels)
        cosines = (np.sqrt(2) * np.cos(np.pi / self.nb_channels * np.outer(columns, columns + 0.5))).round(15)
        cosines[0] = 1
        self.combinations = cosines  # (column, channel): exactly the sum and the difference for stereo

    @property
    def nb_columns(self) -> int:
        """Columns of the references, and as many of the estimates."""
        return self.nb_sources * self.nb_channels

    def image(self, estimate: int) -> slice:
        """The columns of an estimate."""
        return slice(self.nb_columns + estimate * self.nb_channels, self.nb_columns + (estimate + 1) * self.nb_channels)

    def silent(self, energies: Array) -> NDArray[np.bool_]:
        """Frames (nb_frames,) of `energies` (nb_frames, 2 nb_columns) where the channels of any signal sum to zero."""
        silent: NDArray[np.bool_] = (energies[:, :: self.nb_channels] == 0).any(axis=1)
        return silent

    def read(self, start: int, stop: int, nb_samples: int) -> Array:
        """Columns (2 nb_columns, nb_samples) that begin with the samples from `start` to `stop` and end in zeros."""
        columns = np.empty((2 * self.nb_columns, nb_samples))
        for source, signal in enumerate(self.signals):
            part = np.asarray(signal[start:stop]).astype(np.float64)
            own = columns[source * self.nb_channels : (source + 1) * self.nb_channels]
            np.matmul(self.combinations, part.reshape(len(part), -1).T, out=own[:, : len(part)])
            own[:, len(part) :] = 0
        return columns


class Blocks(NamedTuple):
    """How frames are cut for the transform: `step` new samples in each block of `size`, for lags below `nb_taps`."""

    nb_taps: int
    step: int
    size: int

    @classmethod
    def of(cls, nb_taps: int, window: int) -> "Blocks":
        size = 4 << (nb_taps - 1).bit_length()
        nb_blocks = -(-window // (size - nb_taps + 1))
        return cls(nb_taps, -(-window // nb_blocks), size)

    def lags(self, spectra: NDArray[np.complex128]) -> Array:
        """Lags 0 to nb_taps - 1 of products of spectra, whose left factor was reversed in time."""
        return fft.irfft(spectra, self.size, axis=0)[self.step - 1 : self.step - 1 + self.nb_taps]


@dataclass
class Frames:
    """What the scores need of some frames.

    correlations: (nb_frames, nb_taps, nb_columns, 2 nb_columns), [t, l, i, j] = sum of x_i[n] x_j[n + l] in frame t,
    for references x_i and references or estimates x_j
    energies: (nb_frames, 2 nb_columns)
    heads, tails: the first and the last samples of each frame, (2 nb_columns, up to nb_taps - 1)
    """

    spans: list[Span]
    correlations: Array
    energies: Array
    heads: list[Array]
    tails: list[Array]

    def first(self, nb_frames: int) -> "Frames":
        """The first frames, without their heads and tails."""
        return Frames(self.spans[:nb_frames], self.correlations[:nb_frames], self.energies[:nb_frames], [], [])


def measure(signals: Signals, spans: list[Span], blocks: Blocks) -> Frames:
    """Measure the frames at `spans`, (start, stop) in samples, each as if all outside it were zero.

    Raises ValueError where signals hold NaN or infinity.
    """
    nb_frames, columns, reach = len(spans), signals.nb_columns, blocks.nb_taps - 1
    correlations = np.empty((nb_frames, blocks.nb_taps, columns, 2 * columns))
    energies = np.zeros((nb_frames, 2 * columns))
    heads, tails = [], []
    for t, (start, stop) in enumerate(spans):
        spectra, tail = np.zeros(0, complex), np.zeros((2 * columns, 0))
        for first in range(start, stop, CHUNK * blocks.step):
            nb_blocks = min(CHUNK, -(-(stop - first) // blocks.step))
            end = min(first + nb_blocks * blocks.step + reach, stop)
            with np.errstate(invalid="ignore"):  # infinity is found below
                samples = signals.read(first, end, (nb_blocks - 1) * blocks.step + blocks.size)
                spectra = _products(samples, nb_blocks, blocks, columns) + (spectra if first > start else 0)
            new = samples[:, : nb_blocks * blocks.step]
            energies[t] += np.einsum("kn,kn->k", new, new)
            if first == start:
                heads.append(samples[:, : min(reach, stop - start)].copy())
            tail = _last(tail, samples[:, : min(nb_blocks * blocks.step, stop - first)], reach)
        correlations[t] = blocks.lags(spectra)
        tails.append(tail)
    if not np.isfinite(energies).all():
        raise ValueError("signals hold NaN or infinity")
    return Frames(spans, correlations, energies, heads, tails)


def _last(before: Array, new: Array, nb_samples: int) -> Array:
    """The last samples of `before` followed by `new`, (nb_columns, up to nb_samples)."""
    return np.concatenate((before, new[:, -nb_samples:]), axis=1)[:, -nb_samples:] if nb_samples else before


def _products(samples: Array, nb_blocks: int, blocks: Blocks, columns: int) -> NDArray[np.complex128]:
    # columns meet those up to nb_taps - 1 samples later; reversing a block in time conjugates its spectrum
    stride, item = samples.strides
    late = as_strided(samples, (blocks.size, nb_blocks, 2 * columns), (item, blocks.step * item, stride))
    early = as_strided(
        samples[:, blocks.step - 1 :], (nb_blocks, blocks.step, columns), (blocks.step * item, -item, stride)
    )
    left = fft.rfft(early, blocks.size, axis=1)
    right = fft.rfft(late, axis=0)
    return left.transpose(1, 2, 0) @ right  # (block, bin, column) to (bin, column, block); (bin, block, column)


def crossing(frames: Frames, before: Array, blocks: Blocks) -> tuple[Array, Array]:
    """Correlations (nb_taps, nb_columns, 2 nb_columns) of samples before each frame with samples in it.

    The frames follow one another without gaps, after samples that end in `before` (2 nb_columns, up to nb_taps - 1).
    Returns the samples before the frame that would come next, too.
    """
    reach, columns = blocks.nb_taps - 1, frames.energies.shape[1] // 2
    joint = Blocks(blocks.nb_taps, max(reach, 1), 2 << reach.bit_length())
    left = np.zeros((joint.step, len(frames.spans), columns))
    right = np.zeros((2 * joint.step, len(frames.spans), 2 * columns))
    for t, (head, tail) in enumerate(zip(frames.heads, frames.tails, strict=True)):
        left[: before.shape[1], t] = before[:columns, ::-1].T
        right[joint.step : joint.step + head.shape[1], t] = head.T
        before = _last(before, tail, reach)
    products = fft.rfft(left, joint.size, axis=0).transpose(0, 2, 1) @ fft.rfft(right, joint.size, axis=0)
    return joint.lags(products), before


class Term(NamedTuple):
    """An energy: that of references through `filters` (nb_taps, nb_columns, nb_channels), less an estimate if named."""

    filters: Array
    estimate: int | None = None


class Energies:
    """The energies of `terms` in frames, the filters' tails behind each frame included."""

    def __init__(self, signals: Signals, terms: list[Term], blocks: Blocks):
        columns = signals.nb_columns
        self.signals, self.terms, self.blocks = signals, terms, blocks
        self.weights = np.zeros((len(terms), blocks.nb_taps, columns, 2 * columns))
        for weights, (filters, estimate) in zip(self.weights, terms, strict=True):
            # references i and j meet at lag l with the sum over m of filters_i[m + l] filters_j[m], both signs of l
            spectra = fft.rfft(filters, blocks.size, axis=0)
            products = fft.irfft(spectra @ spectra.conj().transpose(0, 2, 1), blocks.size, axis=0)
            weights[:, :, :columns] = 2 * products[: blocks.nb_taps]
            weights[0] /= 2
            if estimate is not None:
                weights[:, :, signals.image(estimate)] = -2 * filters
        self.sizes = np.sqrt(np.square(self.weights).sum(axis=1))

    def __call__(self, frames: Frames) -> Array:
        """Energies (nb_frames, nb_terms)."""
        result = frames.correlations.reshape(len(frames.spans), -1) @ self.weights.reshape(len(self.terms), -1).T
        norms = np.sqrt(frames.energies)
        summed = np.einsum("ti,qij,tj->tq", norms[:, : self.signals.nb_columns], self.sizes, norms)
        for q, (_, estimate) in enumerate(self.terms):
            if estimate is not None:
                own = frames.energies[:, self.signals.image(estimate)].sum(axis=1)
                result[:, q] += own
                summed[:, q] += own
        doubtful = (result < DOUBTFUL * summed) & ~self.signals.silent(frames.energies)[:, None]
        for t in np.flatnonzero(doubtful.any(axis=1)):
            terms = [self.terms[q] for q in np.flatnonzero(doubtful[t])]
            result[t, doubtful[t]] = _filtered(self.signals, frames.spans[t], terms, self.blocks)
        return result


def _filtered(signals: Signals, span: Span, terms: list[Term], blocks: Blocks) -> Array:
    """The energies (nb_terms,) of one frame from its filtered samples."""
    start, stop = span
    columns, channels, reach = signals.nb_columns, signals.nb_channels, blocks.nb_taps - 1
    step = blocks.size - reach
    filters = fft.rfft(np.concatenate([term.filters for term in terms], axis=2), blocks.size, axis=0)
    result = np.zeros(len(terms))
    for first in range(start, stop + reach, CHUNK * step):
        nb_blocks = min(CHUNK, -(-(stop + reach - first) // step))
        before = min(reach, first - start)
        end = min(first + nb_blocks * step, stop)
        samples = np.zeros((2 * columns, reach + nb_blocks * step))
        samples[:, reach - before :] = signals.read(first - before, end, before + nb_blocks * step)
        stride, item = samples.strides
        overlapping = as_strided(samples, (blocks.size, nb_blocks, columns), (item, step * item, stride))
        images = fft.irfft(fft.rfft(overlapping, axis=0) @ filters, blocks.size, axis=0)[reach:]
        # images and estimates have axes (sample, block, term and channel)
        estimates = samples[:, reach:].reshape(2 * columns, nb_blocks, step).transpose(2, 1, 0)
        for q, term in enumerate(terms):
            image = images[:, :, q * channels : (q + 1) * channels]
            if not term.filters[1:].any():  # exactly, so that an estimate without error has none
                image = (term.filters[0].T @ samples[:columns, reach:]).reshape(channels, nb_blocks, step)
                image = image.transpose(2, 1, 0)
            if term.estimate is not None:
                image = image - estimates[:, :, signals.image(term.estimate)]
            result[q] += np.einsum("nbc,nbc->", image, image)
    return result
