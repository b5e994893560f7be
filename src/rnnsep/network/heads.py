"""The heads that a network can have, and their keys in section `mask` of params.yaml."""

from dataclasses import dataclass

from rnnsep.network.convolution import ConvolutionalHead, ConvolutionParams
from rnnsep.network.dense import DenseHead
from rnnsep.network.head import Head, Sizes
from rnnsep.network.local import LocalHead, LocalParams

HEADS: tuple[type[Head], ...] = (DenseHead, LocalHead, ConvolutionalHead)


@dataclass(frozen=True, kw_only=True)
class HeadParams(LocalParams, ConvolutionParams):
    """The keys of section `mask` that turn heads on."""

    def check(self) -> None:
        for kind in HEADS:
            kind.check(self)

    @property
    def words(self) -> list[str]:
        """The heads that are on, as the page of a run names them."""
        return [words for kind in HEADS if kind.is_on(self) and (words := kind.words(self))]


def heads(params: HeadParams, sizes: Sizes) -> list[Head]:
    """The heads that are on."""
    return [kind(sizes, params) for kind in HEADS if kind.is_on(params)]
