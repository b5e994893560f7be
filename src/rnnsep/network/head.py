"""What a head is.

The logits of a network are the sum of those of its heads. To add a head, write `network/<head>.py` and
`layers/<head>.py`, list it in `network/mask.py`, and add its key to section `mask` of params.yaml.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnsep.network.recurrence import Shapes

Array = NDArray[np.float32]
Logits = Callable[[int, int], Array]
"""Logits of frames [start, stop): (nb_sources, nb_bands, nb_channels, nb_batch * (stop - start))."""


@dataclass(frozen=True)
class Sizes:
    """What surrounds a head."""

    nb_sources: int
    nb_bands: int
    nb_channels: int
    nb_features: int  # per band: inputs and, if any, their local contrast
    width: int  # features of the hidden state
    future: bool  # whether the head may see later frames


class Head(ABC):
    """A head with its settings, `params`, the section `mask`: shapes of its weights and forward pass in NumPy."""

    name: ClassVar[str]
    """In the paths of weights."""

    of_sources: ClassVar[tuple[str, ...]] = ()
    """Paths of the weights that have a part for each source; models of other sources do not share them."""

    def __init__(self, sizes: Sizes, params: Any):
        self.sizes, self.params = sizes, params

    @staticmethod
    def is_on(params: Any) -> bool:
        """Whether networks with these settings have this head."""
        return bool(params)

    @staticmethod
    def words(params: Any) -> str:  # noqa: ARG004
        """The head as the page of a run names it; nothing if every network has it."""
        return ""

    @staticmethod  # noqa: B027  # most heads have no conditions
    def check(params: Any) -> None:
        """Raise `ParamError` for impossible settings."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """Shapes of its weights by path."""

    @abstractmethod
    def __call__(self, weights: Mapping[str, Array], features: Array, hidden: Array) -> Logits:
        """Logits from features (nb_features, nb_bands, nb_batch, nb_frames) and hidden (nb_batch, nb_frames, width)."""
