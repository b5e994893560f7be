"""Frames of references and estimates: their short-lag correlations, and the energies that follow from them.

The energy of filtered references, cut to a frame, depends on that frame's correlations over the filters' length only.
So each frame is transformed once, in short blocks, and every energy is a scalar product.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.float64]
Span = tuple[int, int]

CHUNK = 32  # blocks transformed at a time
DOUBTFUL = 1e-8  # of the terms that an energy is summed from: below, rounding could show and it is computed anew


class Signal(Protocol):
    """Audio (nb_samples, nb_channels) or (nb_samples,), read in slices: an array, a memory map, an open file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, part: slice, /) -> Any: ...


class Signals:
    """References and estimates side by side, as columns (source, channel), references first.

    The columns of a stereo signal are the sum and the difference of left and right. They span the same space, all
    energies double, and where left and right are equal or nearly so the problem stays well conditioned. Of more
    channels the columns are the sum and combinations orthogonal to it, and energies grow by the number of channels.

    Estimates are cut or padded with zeros to the length of the references. Raises ValueError where numbers of
    sources or channels, or lengths of references, differ.
    """

    def __init__(self, references: Sequence[Signal], estimates: Sequence[Signal]):
        if len(references) != len(estimates) or len(references) == 0:
            raise ValueError(f"{len(references)} references and {len(estimates)} estimates: numbers must be equal")
        self.signals = [*references, *estimates]
        shapes = [tuple(signal.shape) for signal in self.signals]
        if any(len(shape) not in (1, 2) or 0 in shape for shape in shapes):
            raise ValueError(f"signals must have shape (nb_samples, nb_channels), not {shapes}")
        if len({shape[1:] for shape in shapes}) > 1 or len({shape[0] for shape in shapes[: len(references)]}) > 1:
            raise ValueError(f"signals differ in shape: {shapes}")
        self.nb_sources = len(references)
        self.nb_samples = shapes[0][0]
        self.nb_channels = shapes[0][1] if shapes[0][1:] else 1
        angles = np.pi / self.nb_channels * np.outer(np.arange(self.nb_channels) + 0.5, np.arange(1, self.nb_channels))
        self.combinations = np.sqrt(2) * np.cos(angles)  # cosine transform without the sum: (channel, column but first)

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

    def read(self, start: int, stop: int, rows: Array) -> None:
        """Put samples from `start` to `stop` into the first of `rows` (nb_rows, 2 nb_columns), zeros into the rest."""
        for source, signal in enumerate(self.signals):
            part = np.asarray(signal[start:stop])
            columns = rows[:, source * self.nb_channels : (source + 1) * self.nb_channels]
            if self.nb_channels == 2:
                np.add(part[:, 0], part[:, 1], out=columns[: len(part), 0], dtype=np.float64)
                np.subtract(part[:, 0], part[:, 1], out=columns[: len(part), 1], dtype=np.float64)
            elif self.nb_channels > 2:
                np.sum(part, axis=1, out=columns[: len(part), 0], dtype=np.float64)
                np.matmul(part, self.combinations, out=columns[: len(part), 1:])
            else:
                columns[: len(part)] = part.reshape(-1, 1)
            columns[len(part) :] = 0


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
    """

    spans: list[Span]
    correlations: Array
    energies: Array

    def first(self, nb_frames: int) -> "Frames":
        """The first frames."""
        return Frames(self.spans[:nb_frames], self.correlations[:nb_frames], self.energies[:nb_frames])


def measure(signals: Signals, spans: list[Span], blocks: Blocks) -> Frames:
    """Measure the frames at `spans`, (start, stop) in samples, each as if all outside it were zero.

    Raises ValueError where signals hold NaN or infinity.
    """
    nb_frames, columns = len(spans), signals.nb_columns
    correlations = np.empty((nb_frames, blocks.nb_taps, columns, 2 * columns))
    energies = np.zeros((nb_frames, 2 * columns))
    for t, (start, stop) in enumerate(spans):
        spectra = np.zeros(0, complex)
        for first in range(start, stop, CHUNK * blocks.step):
            nb_blocks = min(CHUNK, -(-(stop - first) // blocks.step))
            rows = np.empty(((nb_blocks - 1) * blocks.step + blocks.size, 2 * columns))
            with np.errstate(invalid="ignore"):  # infinity is found below
                signals.read(first, min(first + nb_blocks * blocks.step + blocks.nb_taps - 1, stop), rows)
                spectra = _products(rows, nb_blocks, blocks, columns) + (spectra if first > start else 0)
            new = rows[: nb_blocks * blocks.step]
            energies[t] += np.einsum("nk,nk->k", new, new)
        correlations[t] = blocks.lags(spectra)
    if not np.isfinite(energies).all():
        raise ValueError("signals hold NaN or infinity")
    return Frames(spans, correlations, energies)


def _products(rows: Array, nb_blocks: int, blocks: Blocks, columns: int) -> NDArray[np.complex128]:
    # columns meet those up to nb_taps - 1 samples later; reversing a block in time conjugates its spectrum
    stride, item = rows.strides
    late = as_strided(rows, (nb_blocks, blocks.size, 2 * columns), (blocks.step * stride, stride, item))
    early = as_strided(
        rows[blocks.step - 1 :], (nb_blocks, blocks.step, columns), (blocks.step * stride, -stride, item)
    )
    left = fft.rfft(early, blocks.size, axis=1)
    right = fft.rfft(late, axis=1)
    # (block, bin, column) to (bin, column, block) and (bin, block, column)
    return left.transpose(1, 2, 0) @ right.transpose(1, 0, 2)


def crossing(signals: Signals, spans: list[Span], nb_taps: int) -> Array:
    """Correlations (nb_taps, nb_columns, 2 nb_columns) of samples before each span with samples in it."""
    columns, reach = signals.nb_columns, nb_taps - 1
    blocks = Blocks(nb_taps, max(reach, 1), 2 << reach.bit_length())
    rows = np.zeros((len(spans), 2 * blocks.step, 2 * columns))
    for t, (start, stop) in enumerate(spans):
        missing = max(blocks.step - start, 0)
        signals.read(start - blocks.step + missing, min(start + reach, stop), rows[t, missing:])
    left = fft.rfft(rows[:, blocks.step - 1 :: -1, :columns], blocks.size, axis=1)
    rows[:, : blocks.step] = 0
    right = fft.rfft(rows, blocks.size, axis=1)
    return blocks.lags(left.transpose(1, 2, 0) @ right.transpose(1, 0, 2))


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
        for t in np.flatnonzero(~self.signals.silent(frames.energies)):
            doubtful = np.flatnonzero(result[t] < DOUBTFUL * summed[t])
            if doubtful.size:
                terms = [self.terms[q] for q in doubtful]
                result[t, doubtful] = _filtered(self.signals, frames.spans[t], terms, self.blocks)
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
        rows = np.zeros((reach + nb_blocks * step, 2 * columns))
        before = min(reach, first - start)
        signals.read(first - before, min(first + nb_blocks * step, stop), rows[reach - before :])
        stride, item = rows.strides
        overlapping = as_strided(rows, (nb_blocks, blocks.size, columns), (step * stride, stride, item))
        spectra = fft.rfft(overlapping, axis=1).transpose(1, 0, 2) @ filters  # (bin, block, term and channel)
        images = fft.irfft(spectra, blocks.size, axis=0)[reach:]  # (sample, block, term and channel)
        estimates = rows[reach:].reshape(nb_blocks, step, -1).transpose(1, 0, 2)
        for q, term in enumerate(terms):
            image = images[:, :, q * channels : (q + 1) * channels]
            if not term.filters[1:].any():  # exactly, so that an estimate without error has none
                image = (rows[reach:, :columns] @ term.filters[0]).reshape(nb_blocks, step, -1).transpose(1, 0, 2)
            if term.estimate is not None:
                image = image - estimates[:, :, signals.image(term.estimate)]
            result[q] += np.einsum("nbc,nbc->", image, image)
    return result
