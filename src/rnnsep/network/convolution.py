"""Convolutional heads: shapes around a bin, such as glides and onsets, by weights shared among bins and frames.

Local contrast (see `local`) compares a bin with means of its surroundings. These heads learn what to compare it with.
Dilated convolutions: F. Yu and V. Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR 2016.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from rnnsep.network.head import Array, Head, Logits, Sizes
from rnnsep.network.recurrence import Shapes
from rnnsep.params import Range

DILATIONS = (1, 2, 4)  # of the layers
REACH = sum(DILATIONS)  # bands and frames on each side
BANDS = 8  # convolved at a time, to stay in a core's cache


@dataclass(frozen=True, kw_only=True)
class ConvolutionParams:
    """The key of section `mask` that turns convolutional heads on."""

    convolution: Annotated[int, Range(0)] = 0  # feature maps; 0: off


class ConvolutionalHead(Head):
    """Logits Σ_k v_k (w_k + g_k) z_k from feature maps z_k of the features of all bands.

    The maps are those of three convolutions with dilation 1, 2 and 4, each with ReLU, the second and third as residuals
    of their input; so they see 7 bands on each side, and 7 frames on each side (only earlier frames, unless `future`).
    v depends on source and channel, w on the band, and g, a linear function of the hidden state, on the frame.
    """

    name = "convolution"
    of_sources = ("out",)

    def __init__(self, sizes: Sizes, params: ConvolutionParams):
        super().__init__(sizes, params)
        self.nb_maps = params.convolution

    @staticmethod
    def is_on(params: ConvolutionParams) -> bool:
        return params.convolution > 0

    @staticmethod
    def words(params: ConvolutionParams) -> str:
        return f"convolutions with {params.convolution} maps"

    @property
    def shapes(self) -> Shapes:
        sizes, maps = self.sizes, self.nb_maps
        found: Shapes = {}
        for dilation, nb_inputs in zip(DILATIONS, (sizes.nb_features, maps, maps), strict=True):
            found |= {f"kernel_{dilation}": (3, 3, nb_inputs, maps), f"bias_{dilation}": (maps,)}
        return found | {
            "band": (sizes.nb_bands, maps),
            "gate": (sizes.width, maps),
            "out": (maps, sizes.nb_sources * sizes.nb_channels),
        }

    def __call__(self, weights: Mapping[str, Array], features: Array, hidden: Array) -> Logits:
        sizes, nb_frames = self.sizes, features.shape[3]
        before, after = (REACH, REACH) if sizes.future else (2 * REACH, 0)
        gates = (hidden @ weights["gate"]).transpose(2, 0, 1)  # (nb_maps, nb_batch, nb_frames)
        out = weights["out"].T

        def logits(start: int, stop: int) -> Array:
            first, last = max(0, start - before), min(nb_frames, stop + after)
            x = self._maps(weights, features[..., first:last], first == 0, last == nb_frames)
            begin = start if first == 0 else start - first - before
            maps = x[..., begin : begin + stop - start]
            y = maps * (weights["band"].T[:, :, None, None] + gates[:, None, :, start:stop])
            y = (out @ y.reshape(self.nb_maps, -1)).reshape(sizes.nb_sources, sizes.nb_channels, sizes.nb_bands, -1)
            return y.swapaxes(1, 2)

        return logits

    def _maps(self, weights: Mapping[str, Array], x: Array, is_first: bool, is_last: bool) -> Array:
        """
        Maps (nb_maps, nb_bands, nb_batch, nb) of a part of the features (nb_features, nb_bands, nb_batch, nb_frames).

        The song continues before the part unless `is_first`, and after it unless `is_last`; maps that would need more
        frames there are left out.
        """
        for dilation in DILATIONS:
            before, after = (dilation, dilation) if self.sizes.future else (2 * dilation, 0)
            y = dilated(x, weights[f"kernel_{dilation}"], dilation, before * is_first, after * is_last)
            y += weights[f"bias_{dilation}"][:, None, None, None]
            np.maximum(y, 0, out=y)
            if dilation > 1:
                y += x[..., before * (not is_first) : x.shape[3] - after * (not is_last)]
            x = y
        return x


def dilated(x: Array, kernel: Array, dilation: int, before: int, after: int) -> Array:
    """Convolution of x (nb_inputs, nb_bands, nb_batch, nb_frames) with a dilated kernel (3, 3, nb_inputs, nb_maps).

    `before` and `after` frames of zeros, and bands of zeros on both sides, are appended to `x`; the output has the
    bands of `x`, and the frames for which all three taps exist.
    """
    nb_inputs, nb_bands, nb_batch, nb_frames = x.shape
    nb = nb_frames + before + after - 2 * dilation
    padded = np.pad(x, ((0, 0), (dilation, dilation), (0, 0), (before, after)))
    row = nb_batch * padded.shape[3]
    # (frame tap, band tap, input, map) -> (frame tap, map, band taps and inputs)
    matrices = np.ascontiguousarray(kernel.reshape(3, 3 * nb_inputs, -1).transpose(0, 2, 1))
    y = np.empty((kernel.shape[3], nb_bands, nb_batch, nb), np.float32)
    for band in range(0, nb_bands, BANDS):
        count = min(BANDS, nb_bands - band)
        # in flat rows of bands, sequences and frames, the taps of a frame are shifts of one matrix
        taps = np.zeros((3, nb_inputs, count * row + 2 * dilation), np.float32)
        for j in range(3):
            taps[j, :, : count * row] = padded[:, band + j * dilation :][:, :count].reshape(nb_inputs, -1)
        flat = taps.reshape(3 * nb_inputs, -1)
        sums = matrices[0] @ flat[:, : count * row]
        for i in (1, 2):
            sums += matrices[i] @ flat[:, i * dilation :][:, : count * row]
        y[:, band : band + count] = sums.reshape(len(sums), count, nb_batch, -1)[..., :nb]
    return y
