"""Mistakes after training, on the masks (nb_sources, nb_frames, nb_bins, 1) of one song."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from experiments.hel1.networks import Array

SEQUENCE = 4  # frames of a sequence in andabi/music-source-separation

Mistake = Callable[[Sequence[Array], int], Array]
"""Returns the masks that song `number` gets, from the masks of all songs."""


def none(masks: Sequence[Array], number: int) -> Array:
    """The song's own masks."""
    return masks[number]


def permuted(masks: Sequence[Array], number: int) -> Array:
    """Each source gets the mask of the next one."""
    return np.roll(masks[number], -1, axis=0)


def of_the_next_song(masks: Sequence[Array], number: int) -> Array:
    """Each song gets the masks of the next one."""
    return masks[(number + 1) % len(masks)]


def delayed(masks: Sequence[Array], number: int, frames: int) -> Array:
    """The masks come late, those of the end at the start."""
    return np.roll(masks[number], frames, axis=1)


def transposed(masks: Sequence[Array], number: int) -> Array:
    """The masks are stored as (nb_bins, nb_frames) and read as (nb_frames, nb_bins)."""
    own = masks[number]
    return np.ascontiguousarray(own.transpose(0, 2, 1, 3)).reshape(own.shape)


def interleaved(masks: Sequence[Array], number: int) -> Array:
    """The sequences of 4 frames are put together in the wrong order."""
    own = masks[number]
    whole = own.shape[1] // SEQUENCE * SEQUENCE
    order = np.arange(own.shape[1])
    order[:whole] = order[:whole].reshape(SEQUENCE, -1).T.reshape(-1)
    return own[:, order]


def upside_down(masks: Sequence[Array], number: int) -> Array:
    """The mask of the highest bin is at the lowest."""
    return masks[number][:, :, ::-1]


MISTAKES: dict[str, tuple[str, Mistake]] = {
    "permuted": ("each source gets the mask of the next one", permuted),
    "other-song": ("each song gets the masks of the next one", of_the_next_song),
    "delayed": ("masks 2 s late", partial(delayed, frames=689)),
    "transposed": ("masks transposed in memory", transposed),
    "interleaved": ("sequences of 4 frames put together in the wrong order", interleaved),
    "upside-down": ("bins of the masks reversed", upside_down),
}
