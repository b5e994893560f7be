"""The dense head: one dense layer per source on the hidden state."""

from collections.abc import Mapping

import numpy as np

from rnnsep.network.head import Array, Head, Logits
from rnnsep.network.recurrence import Shapes


class DenseHead(Head):
    """Logits of all bands from the hidden state of their frame."""

    name = "heads"
    of_sources = ("kernel", "bias")

    @property
    def shapes(self) -> Shapes:
        sizes = self.sizes
        width = sizes.nb_bands * sizes.nb_channels
        return {"kernel": (sizes.nb_sources, sizes.width, width), "bias": (sizes.nb_sources, 1, width)}

    def __call__(self, weights: Mapping[str, Array], features: Array, hidden: Array) -> Logits:  # noqa: ARG002
        sizes = self.sizes
        # (nb_sources, width, nb_bands nb_channels) -> the same with the last two axes swapped
        kernel, bias = (weights[name].swapaxes(1, 2) for name in ("kernel", "bias"))

        def logits(start: int, stop: int) -> Array:
            y = np.matmul(kernel, hidden[:, start:stop].reshape(-1, sizes.width).T)
            y += bias
            return y.reshape(sizes.nb_sources, sizes.nb_bands, sizes.nb_channels, -1)

        return logits
