"""
Mistakes that a port of a separator can make after its training, on the masks and estimates of one song.

Each takes a `Scene` and returns the spectra that the port would write, (nb_sources, nb_frames, nb_bins, nb_channels).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.hel1.scene import Scene

Mistake = Callable[[Scene], NDArray[np.complex64]]

SEQUENCE = 4  # frames of a sequence in andabi/music-source-separation


def none(scene: Scene) -> NDArray[np.complex64]:
    """Masks times the mixture."""
    return scene.estimates


def masks_of_the_next_song(scene: Scene) -> NDArray[np.complex64]:
    """Each song gets the masks of the next one."""
    return _frames(scene.next.masks, len(scene.mixture)) * scene.mixture


def estimates_of_the_next_song(scene: Scene) -> NDArray[np.complex64]:
    """Each song gets the estimates of the next one."""
    return _frames(scene.next.estimates, len(scene.mixture))


def permuted(scene: Scene, by: int) -> NDArray[np.complex64]:
    """Each source gets the estimate of the source `by` places later in the list."""
    return np.roll(scene.estimates, -by, axis=0)


def delayed(scene: Scene, seconds: float) -> NDArray[np.complex64]:
    """The masks come `seconds` late, those of the end at the start."""
    frames = round(seconds * scene.model.stft.sample_rate / scene.model.stft.hop)
    return np.roll(scene.masks, frames, axis=1) * scene.mixture


def transposed(scene: Scene) -> NDArray[np.complex64]:
    """The masks are stored as (nb_bins, nb_frames) and read as (nb_frames, nb_bins)."""
    masks = np.ascontiguousarray(scene.masks.transpose(0, 2, 1, 3))
    return masks.reshape(scene.masks.shape) * scene.mixture


def interleaved(scene: Scene) -> NDArray[np.complex64]:
    """The frames of the masks, cut into sequences as in andabi, are put together in the wrong order."""
    whole = len(scene.mixture) // SEQUENCE * SEQUENCE
    order = np.arange(len(scene.mixture))
    order[:whole] = order[:whole].reshape(SEQUENCE, -1).T.reshape(-1)
    return scene.masks[:, order] * scene.mixture


def reversed_bins(scene: Scene) -> NDArray[np.complex64]:
    """The masks are upside down: those of the highest bin at the lowest."""
    return scene.masks[:, :, ::-1] * scene.mixture


def mono(scene: Scene) -> NDArray[np.complex64]:
    """The masks apply to the mean of the channels, which is written to both."""
    estimates = scene.estimates
    return np.broadcast_to(estimates.mean(axis=-1, keepdims=True), estimates.shape)


def scaled(scene: Scene, factor: float) -> NDArray[np.complex64]:
    """Estimates at another level."""
    return np.complex64(factor) * scene.estimates


def other_input_level(scene: Scene, factor: float) -> NDArray[np.complex64]:
    """The network sees songs at another level than in training, such as 16-bit integers instead of floats."""
    return scene.masks_at(factor) * scene.mixture


def mono_scaled(scene: Scene, factor: float) -> NDArray[np.complex64]:
    """Mono estimates at another level."""
    return np.complex64(factor) * mono(scene)


def _frames(spectra: NDArray[Any], nb_frames: int) -> NDArray[Any]:
    """The first `nb_frames` frames of (nb_sources, nb_frames, …), repeated where there are not as many."""
    return np.take(spectra, np.arange(nb_frames), axis=1, mode="wrap")
