"""Section `mask`: the heads whose logits are summed, and soft masks from the logits."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnsep.network.convolution import ConvolutionalHead, ConvolutionParams
from rnnsep.network.dense import DenseHead
from rnnsep.network.head import Head, Sizes
from rnnsep.network.local import LocalHead, LocalParams

HEADS: tuple[type[Head], ...] = (DenseHead, LocalHead, ConvolutionalHead)

MASK_FLOOR = 1e-10  # Huang et al. (2014): defines the ratio where all logits are zero

Activation = Literal["softmax", "relu", "abs", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class MaskParams(LocalParams, ConvolutionParams):
    """Section `mask` of params.yaml."""

    activation: Activation
    mel: bool

    def check(self) -> None:
        for kind in HEADS:
            kind.check(self)

    @property
    def words(self) -> list[str]:
        """The heads that are on, as the page of a run names them."""
        return [words for kind in HEADS if kind.is_on(self) and (words := kind.words(self))]

    def heads(self, sizes: Sizes) -> list[Head]:
        """The heads that are on."""
        return [kind(sizes, self) for kind in HEADS if kind.is_on(self)]


def soft_mask(logits: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    """Non-negative masks from `logits`, both (nb_sources, …).

    They sum to one over the sources: `softmax`; `abs` (Huang et al., 2014, equation 3); `relu` (HEL1's predecessor).
    Exception: `sigmoid` masks are independent of each other (Weninger et al., 2014).
    """
    if activation == "sigmoid":
        return 0.5 * np.tanh(0.5 * logits) + np.float32(0.5)
    if activation == "softmax":
        positive = np.exp(logits - logits.max(axis=0))
    else:
        positive = (np.maximum(logits, 0) if activation == "relu" else np.abs(logits)) + np.float32(MASK_FLOOR)
    positive /= positive.sum(axis=0)
    return positive


def masked_channels(masks: NDArray[np.float32], magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
    """Estimated magnitudes of all sources as channels, the input of an enhancement network.

    `masks` (nb_sources, nb_frames, nb_bins, nb_channels) times `magnitude` (nb_frames, nb_bins, nb_channels) gives
    (nb_frames, nb_bins, nb_sources nb_channels).
    """
    # sources from the front to before the channels
    estimates = (masks * magnitude).transpose(1, 2, 0, 3)
    return estimates.reshape(*estimates.shape[:2], -1)
