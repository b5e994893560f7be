"""Local contrast: how far a bin stands out from neighbouring bands and frames.

Voices and strings stand out from the bands above and below, drums from the frames before and after, as in
harmonic-percussive separation (D. Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010). The
bands share most weights, so that little training data suffices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from rnnsep.network.head import Array, Head, Logits, Sizes
from rnnsep.network.recurrence import Shapes
from rnnsep.params import ParamError, Range

GROUP = 8  # bands that share the weights of a frame


@dataclass(frozen=True, kw_only=True)
class LocalParams:
    """The key of section `mask` that turns local contrast on."""

    local: tuple[Annotated[int, Range(1)], ...] | None = None  # radii in bands and frames; None: off


def nb_features(params: LocalParams, nb_inputs: int) -> int:
    """Number of features per band, see `with_contrast`."""
    return nb_inputs + 2 * len(params.local or ())


def with_contrast(x: Array, radii: Sequence[int], nb_channels: int, future: bool) -> Array:
    """Inputs (nb_inputs, nb_bands, nb_batch, nb_frames) followed by their local contrast.

    The contrast is, for each of `radii`, the difference of the mean of the first `nb_channels` inputs to its own mean
    over that many bands on each side, and over that many frames on each side (only earlier frames, unless `future`).
    """
    level = x[:nb_channels].mean(axis=0)
    contrast = []
    for radius in radii:
        contrast += [level - _around(level, 0, radius, radius), level - _around(level, 2, radius, radius * future)]
    return np.concatenate([x, np.stack(contrast)]) if contrast else x


def _around(x: Array, axis: int, before: int, after: int) -> Array:
    """The mean over [t - before, t + after] along an axis, clipped to its ends."""
    y = np.moveaxis(x, axis, -1)
    width, size = before + after + 1, y.shape[-1]
    sums = np.zeros((*y.shape[:-1], size + width))
    np.cumsum(y, axis=-1, dtype=np.float64, out=sums[..., before + 1 : before + 1 + size])
    sums[..., before + 1 + size :] = sums[..., before + size, None]
    t = np.arange(size)
    count = np.minimum(t + after + 1, size) - np.maximum(t - before, 0)
    means = ((sums[..., width:] - sums[..., :size]) / count).astype(np.float32)
    return np.moveaxis(means, -1, axis)


class LocalHead(Head):
    """Logits Σ_i (a_i + g_i) φ_i from the features φ of the bin itself.

    The weights a depend on source, channel and band; g, the output of a dense layer on the hidden state, depends on
    source, channel, frame and group of bands.
    """

    name = "local"
    of_sources = ("weight", "gate_kernel", "gate_bias")

    def __init__(self, sizes: Sizes, params: LocalParams):
        super().__init__(sizes, params)
        self.nb_groups = -(-sizes.nb_bands // GROUP)

    @staticmethod
    def is_on(params: LocalParams) -> bool:
        return bool(params.local)

    @staticmethod
    def words(params: LocalParams) -> str:
        return f"local contrast over {', '.join(map(str, params.local or ()))} bands and frames"

    @staticmethod
    def check(params: LocalParams) -> None:
        if params.local == ():  # DVC 3.67 cannot replace a list by an empty one
            raise ParamError("local", "must name a radius; null turns local contrast off")

    @property
    def shapes(self) -> Shapes:
        sizes = self.sizes
        gates = sizes.nb_features * self.nb_groups * sizes.nb_channels
        return {
            "weight": (sizes.nb_features, sizes.nb_sources, self.nb_groups, GROUP, sizes.nb_channels),
            "gate_kernel": (sizes.nb_sources, sizes.width, gates),
            "gate_bias": (sizes.nb_sources, 1, gates),
        }

    def __call__(self, weights: Mapping[str, Array], features: Array, hidden: Array) -> Logits:
        s = self.sizes
        nb_masks, nb_bands = s.nb_sources * s.nb_channels, self.nb_groups * GROUP
        kernel, bias = (self._by_output(weights[f"gate_{name}"]) for name in ("kernel", "bias"))
        # (nb_features, nb_sources, nb_groups, GROUP, nb_channels) -> (nb_groups GROUP, nb_masks, nb_features)
        weight = weights["weight"].transpose(2, 3, 1, 4, 0).reshape(nb_bands, nb_masks, s.nb_features)

        def logits(start: int, stop: int) -> Array:
            nb = features.shape[2] * (stop - start)
            f = np.zeros((nb_bands, s.nb_features, nb), np.float32)
            f[: s.nb_bands] = features[..., start:stop].reshape(s.nb_features, s.nb_bands, nb).swapaxes(0, 1)
            y = np.matmul(weight, f).reshape(self.nb_groups, GROUP, nb_masks, nb)
            gate = kernel @ hidden[:, start:stop].reshape(-1, s.width).T
            gate += bias
            gate = gate.reshape(s.nb_features, self.nb_groups, nb_masks, nb)
            y += np.einsum("igmn,gbin->gbmn", gate, f.reshape(self.nb_groups, GROUP, s.nb_features, nb))
            # (nb_groups GROUP, nb_sources, nb_channels, nb) -> sources first
            return y.reshape(nb_bands, s.nb_sources, s.nb_channels, nb)[: s.nb_bands].swapaxes(0, 1)

        return logits

    def _by_output(self, w: Array) -> Array:
        """Weights of the gate (nb_sources, …, nb_features nb_groups nb_channels), one row for each of its outputs."""
        s = self.sizes
        w = w.reshape(s.nb_sources, w.shape[1], s.nb_features, self.nb_groups, s.nb_channels)
        return np.ascontiguousarray(w.transpose(2, 3, 0, 4, 1)).reshape(-1, w.shape[1])
