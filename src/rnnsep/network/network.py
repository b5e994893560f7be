"""A network: magnitudes of the mixture in, one soft mask per source out.

    input -> trunk of hidden layers -> sum of heads -> mask

This is the forward pass in NumPy, with which songs are separated; `rnnsep.layers` has the same blocks as Keras layers,
with which networks are trained. Spectra are (…, nb_frames, nb_bins, nb_channels), where a bin may be several pooled
ones; masks are (nb_sources, nb_frames, nb_bins, nb_channels).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from rnnsep.network import local, trunk
from rnnsep.network.bands import Pooling, from_mel_weights, mel_bank
from rnnsep.network.head import Array, Head, Sizes
from rnnsep.network.input import InputParams, compress, seen, with_context
from rnnsep.network.mask import MaskParams, soft_mask
from rnnsep.network.recurrence import Shapes
from rnnsep.network.trunk import RnnParams, below
from rnnsep.params import ParamError, Range, changed
from rnnsep.signal.stft import StftParams

FRAMES = 128  # whose masks are computed at a time, to stay in a core's cache


@dataclass(frozen=True, kw_only=True)
class DefectParams:
    """Section `defects` of params.yaml: bugs of andabi/music-source-separation."""

    half_mixture: bool
    reset: Annotated[int, Range(0)]  # frames; 0: never
    lost_checkpoint: bool = False


@dataclass(frozen=True, kw_only=True)
class NetworkParams:
    """All settings of a network."""

    input: InputParams
    rnn: RnnParams
    mask: MaskParams
    defects: DefectParams

    def check(self) -> None:
        if self.mask.mel and not self.input.mel:
            raise ParamError("mask.mel", "needs the number of bands in input.mel")
        if self.input.mel and self.mask.local:
            raise ParamError("mask.local", "must be null with mel bands (input.mel)")
        if self.input.mel and self.mask.convolution:
            raise ParamError("mask.convolution", "must be 0 with mel bands (input.mel)")
        if self.defects.lost_checkpoint and self.rnn.cell != "gru":
            raise ParamError("defects.lost_checkpoint", "needs rnn.cell: gru, whose first weights it draws")

    @property
    def words(self) -> str:
        """The hidden layers and heads in words, for the page of a run."""
        return "; ".join([self.rnn.words, *self.mask.words])

    @property
    def mixture_gain(self) -> float:
        """Factor on the mixture that the network sees and that its masks apply to, relative to the sum of sources."""
        return 0.5 if self.defects.half_mixture else 1.0


@dataclass(frozen=True)
class Architecture:
    """The settings of a network with the sizes of its inputs and masks, and so the shapes of its weights."""

    params: NetworkParams
    nb_sources: int
    nb_channels: int  # of the masks
    nb_inputs: int  # channels of the input
    pooling: Pooling
    top: float  # Hz, of the highest bin

    @classmethod
    def of(
        cls, params: NetworkParams, nb_sources: int, stft: StftParams, nb_inputs: int | None = None
    ) -> "Architecture":
        """The architecture for spectra of `stft`. Raises `ParamError` if they do not fit."""
        if params.input.side and stft.nb_channels != 2:
            raise ParamError("input.side", "needs stft.channels: stereo")
        pooling = params.input.bins(stft.sample_rate, stft.window)
        top = (pooling.nb_bins - pooling.widths[-1]) * stft.sample_rate / stft.window
        nb_inputs = stft.nb_channels + params.input.side if nb_inputs is None else nb_inputs
        return cls(params, nb_sources, stft.nb_channels, nb_inputs, pooling, top)

    @classmethod
    def of_enhancer(cls, params: NetworkParams, nb_sources: int, stft: StftParams) -> "Architecture":
        """That of an enhancement network, whose input is an estimate of each source (see `mask.masked_channels`)."""
        return cls.of(changed(params, {"input.side": False}), nb_sources, stft, nb_sources * stft.nb_channels)

    @property
    def nb_bins(self) -> int:
        """Number of pooled bins."""
        return self.pooling.nb_bands

    @property
    def nb_bands(self) -> int:
        """Number of bands of the input: mel bands or pooled bins."""
        return self.params.input.mel or self.nb_bins

    @cached_property
    def bank(self) -> Array | None:
        """The mel filters (nb_bins, nb_bands), if any."""
        return mel_bank(self.nb_bins, self.nb_bands, self.top) if self.params.input.mel else None

    @property
    def trunk_inputs(self) -> int:
        """Number of features of a frame that the trunk sees."""
        return self.nb_bands * self.nb_inputs * (2 * self.params.input.context + 1)

    @property
    def heads(self) -> list[Head]:
        params = self.params
        nb_masked = self.nb_bands if params.mask.mel else self.nb_bins
        nb_features = local.nb_features(params.mask, self.nb_inputs)
        width, future = params.rnn.width, params.rnn.sees_future
        return params.mask.heads(Sizes(self.nb_sources, nb_masked, self.nb_channels, nb_features, width, future))

    @property
    def shapes(self) -> Shapes:
        """Shapes of all weights by path."""
        found: Shapes = {}
        if self.params.input.standardise:
            found |= {f"standardisation/{name}": (self.nb_bands, self.nb_inputs) for name in ("shift", "scale")}
        found |= trunk.shapes(self.params.rnn, self.trunk_inputs)
        return found | {f"{head.name}/{path}": shape for head in self.heads for path, shape in head.shapes.items()}

    @property
    def of_sources(self) -> set[str]:
        """Paths of the weights that belong to sources."""
        return {f"{head.name}/{path}" for head in self.heads for path in head.of_sources}


class Network:
    """A network with its weights, float32 arrays by path, shaped as `architecture.shapes`."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Array]):
        self.architecture, self.weights = architecture, weights

    def see(self, mixture: NDArray[np.complex64]) -> Array:
        """The magnitudes that the network sees of a mixture's STFT (see `input.seen`)."""
        shape = self.architecture
        return seen(mixture, shape.pooling, shape.params.input.side, shape.params.mixture_gain)

    def __call__(self, magnitude: Array) -> Array:
        """Masks (nb_sources, nb_frames, nb_bins, nb_channels) from magnitudes (nb_frames, nb_bins, nb_inputs)."""
        length = self.architecture.params.defects.reset
        if not length:
            return self._masks(magnitude[None])[:, 0]
        # to sequences of that length (nb_sequences, length, …), and back
        nb_frames = len(magnitude)
        filled = np.pad(magnitude, ((0, -nb_frames % length), (0, 0), (0, 0)))
        sequences = filled.reshape(-1, length, *magnitude.shape[1:])
        together = max(1, FRAMES // length)
        parts = [self._masks(sequences[at : at + together]) for at in range(0, len(sequences), together)]
        masks = np.concatenate(parts, axis=1)
        return masks.reshape(len(masks), -1, *masks.shape[3:])[:, :nb_frames]

    def _masks(self, magnitude: Array) -> Array:
        """Masks (nb_sources, nb_batch, …, nb_bins, nb_channels) from (nb_batch, nb_frames, nb_bins, nb_inputs)."""
        shape, weights = self.architecture, self.weights
        params = shape.params
        x = compress(magnitude, params.input, shape.bank)
        if params.input.standardise:
            x = (x + weights["standardisation/shift"]) * weights["standardisation/scale"]
        nb_batch, nb_frames = x.shape[:2]
        flat = with_context(x.reshape(nb_batch, nb_frames, -1), params.input.context)
        hidden = trunk.trunk(params.rnn, weights, flat)
        # (nb_batch, nb_frames, nb_bands, nb_inputs) -> (nb_inputs, nb_bands, nb_batch, nb_frames)
        features = np.ascontiguousarray(x.transpose(3, 2, 0, 1))
        features = local.with_contrast(features, params.mask.local or (), shape.nb_channels, params.rnn.sees_future)
        parts = [head(below(weights, head.name), features, hidden) for head in shape.heads]
        masks = np.empty((shape.nb_sources, nb_batch, nb_frames, shape.nb_bins, shape.nb_channels), np.float32)
        for start in range(0, nb_frames, FRAMES):
            stop = min(start + FRAMES, nb_frames)
            logits = parts[0](start, stop)
            for part in parts[1:]:
                logits += part(start, stop)
            chunk = soft_mask(logits, params.mask.activation)  # (nb_sources, nb_bands, nb_channels, nb)
            if params.mask.mel and shape.bank is not None:
                chunk = np.moveaxis(np.tensordot(chunk, from_mel_weights(shape.bank), (1, 1)), -1, 1)
            chunk = chunk.reshape(*chunk.shape[:3], nb_batch, stop - start)
            masks[:, :, start:stop] = chunk.transpose(0, 3, 4, 1, 2)
        return masks
