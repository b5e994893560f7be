"""Post-filters, from soft masks to the spectra of the sources: the mask itself, or the multichannel Wiener filter.

A filter is built from a block's mixture spectrum and masks and can be applied to any frames of the block. If the masks
sum to one, the estimates sum to the mixture.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

CHUNK = 16  # frames filtered at a time, to stay in a core's cache
SHARE = 1e-4  # regularisation of the Wiener filter, relative to the power of a bin

Name = Literal["mask", "wiener"]
Spread = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Filter = Callable[[int, int], NDArray[np.complex64]]
"""Estimates of frames [start, stop): (nb_sources, stop - start, nb_bins, nb_channels)."""


def make_filter(
    name: Name, mixture: NDArray[np.complex64], masks: NDArray[np.float32], spread: Spread = np.asarray
) -> Filter:
    """The filter `name` for a mixture and non-negative masks.

    `mixture` is (nb_frames, nb_bins, nb_channels), `masks` (nb_sources, nb_frames, nb_bands, nb_channels or 1);
    `spread` turns them into masks of bins. The filter "mask" multiplies each channel by its mask; with one channel the
    Wiener filter is the same.
    """
    if name == "wiener" and mixture.shape[-1] > 1:
        return Wiener(mixture, masks, spread)
    return lambda start, stop: spread(masks[:, start:stop]) * mixture[start:stop]


def tempered(masks: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Masks to the power of 1 / `temperature`, rescaled to their sum over the sources.

    Softmax masks become softmax(logits / temperature): temperature scaling [1]_. Networks are overconfident out of
    domain; a temperature above 1 compensates with softer masks.

    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017
    """
    if temperature == 1:
        return masks
    largest = masks.max(axis=0)  # divisor against underflow of small powers
    powers = (masks / np.where(largest > 0, largest, 1)) ** np.float32(1 / temperature)
    total = powers.sum(axis=0)
    return powers * (masks.sum(axis=0) / np.where(total > 0, total, 1))


class Wiener:
    r"""Multichannel Wiener filter after one EM iteration [1]_, over the frames of one block.

    The first estimate of source j is y_j = sqrt(mask_j) x, whose powers sum to the mixture's. From it come the
    source's power spectrum v_j = mean of |y_j|^2 over channels, (nb_frames, nb_bins), and its spatial covariance
    R_j = sum y_j y_j^H / sum v_j over frames, (nb_bins, nb_channels, nb_channels). The estimate is

    .. math:: (v_j R_j + e I / n) (\sum_k v_k R_k + e I)^{-1} x

    with n sources and a regularisation e that is a small share of the mixture's power in the bin. It keeps matrices
    invertible if the channels are equal, and is divided among the sources, so that estimates sum to x.

    The package norbert has a constant e, which depends on the scale of the spectra; it scales its input in place and
    takes 8 times as long.

    .. [1] S. Uhlich et al., "Improving music source separation based on deep neural networks through data
       augmentation and network blending", ICASSP 2017.
    """

    def __init__(self, mixture: NDArray[np.complex64], masks: NDArray[np.float32], spread: Spread):
        self.mixture, self.masks, self.spread = mixture, masks, spread
        nb_sources, (nb_frames, nb_bins, nb_channels) = len(masks), mixture.shape
        covariances = np.zeros((nb_sources, nb_channels, nb_channels, nb_bins), np.complex64)
        powers = np.zeros((nb_sources, nb_bins), np.float32)
        for start in range(0, nb_frames, CHUNK):
            x, m = self._channels_first(start, start + CHUNK)
            for source, roots in enumerate(np.sqrt(m)):
                y = roots * x
                powers[source] += _power(y).sum(axis=0)
                for i in range(nb_channels):
                    for k in range(i + 1):
                        covariances[source, i, k] += (y[i] * y[k].conj()).sum(axis=0)
        for i in range(nb_channels):
            for k in range(i):
                covariances[:, k, i] = covariances[:, i, k].conj()
        self.covariances = covariances / np.maximum(powers, np.finfo(np.float32).tiny)[:, None, None]

    def __call__(self, start: int, stop: int) -> NDArray[np.complex64]:
        nb_sources = len(self.masks)
        x, m = self._channels_first(start, stop)
        scale = 1 / np.maximum(_power(x), np.finfo(np.float32).tiny)  # so that the mixture has power 1 in each bin
        powers = [scale * _power(root * x) for root in np.sqrt(m)]
        modelled = sum(v * R[:, :, None] for v, R in zip(powers, self.covariances, strict=True))
        for channel in range(len(x)):
            modelled[channel, channel] += SHARE
        z = _solved(modelled, x)
        shared = np.float32(SHARE / nb_sources) * z
        estimates = np.empty((nb_sources, *self.mixture[start:stop].shape), np.complex64)
        for estimate, v, R in zip(estimates, powers, self.covariances, strict=True):
            for channel, row in enumerate(R):
                estimate[..., channel] = v * sum(r * part for r, part in zip(row, z, strict=True)) + shared[channel]
        return estimates

    def _channels_first(self, start: int, stop: int) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
        """Frames of the mixture (nb_channels, nb_frames, nb_bins) and masks (nb_sources, same)."""
        # (nb_frames, nb_bins, nb_channels) -> (nb_channels, nb_frames, nb_bins)
        mixture = np.ascontiguousarray(self.mixture[start:stop].transpose(2, 0, 1))
        # (nb_sources, nb_frames, nb_bins, nb_channels) -> (nb_sources, nb_channels, nb_frames, nb_bins)
        return mixture, np.ascontiguousarray(self.spread(self.masks[:, start:stop]).transpose(0, 3, 1, 2))


def _power(spectra: NDArray[np.complex64]) -> Any:
    """Mean of |.|^2 over the first axis, the channels."""
    return sum(channel.real**2 + channel.imag**2 for channel in spectra) / np.float32(len(spectra))


def _solved(matrices: NDArray[np.complex64], x: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Solution z of matrices @ z = x in each bin: (channels, channels, ...), (channels, ...) -> (channels, ...)."""
    if len(x) == 2:
        (a, b), (c, d) = matrices
        scale = 1 / (a.real * d.real - (b.real**2 + b.imag**2))  # Hermitian: c is the conjugate of b
        return np.stack([(d.real * x[0] - b * x[1]) * scale, (a.real * x[1] - c * x[0]) * scale])
    solved = np.linalg.solve(np.moveaxis(matrices, (0, 1), (-2, -1)), np.moveaxis(x, 0, -1)[..., None])
    return np.moveaxis(solved[..., 0], -1, 0)
