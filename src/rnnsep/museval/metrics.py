"""BSSEval versions 4, 3 and 2 on arrays, with the names and arguments of `museval.metrics`.

References and estimates are arrays (nb_sources, nb_samples, nb_channels) or (nb_sources, nb_samples). Scores are in dB,
(nb_sources, nb_frames). All functions raise ValueError for arrays that differ in shape, have more than three axes or
more than `MAX_SOURCES` sources, hold NaN or infinity, or have a source that is silent throughout. Empty arrays give
a warning and empty scores.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnsep.scoring.bsseval import bss_eval as engine

Array = NDArray[np.float64]
Images = tuple[Array, Array, Array, Array, NDArray[np.intp]]
Sources = tuple[Array, Array, Array, NDArray[np.intp]]

MAX_SOURCES = 100


def validate(reference_sources: NDArray[Any], estimated_sources: NDArray[Any]) -> None:
    """Warns of empty arrays; raises ValueError for those that cannot be scored."""
    sides = {"reference": reference_sources, "estimated": estimated_sources}
    if reference_sources.shape != estimated_sources.shape:
        raise ValueError(
            f"references {reference_sources.shape} and estimates {estimated_sources.shape} differ in shape"
        )
    if reference_sources.ndim > 3:
        raise ValueError(f"arrays must be (nb_sources, nb_samples, nb_channels), not {reference_sources.shape}")
    for side, audio in sides.items():
        if audio.size == 0:
            warnings.warn(f"{side} sources are empty, and so are their scores", UserWarning, stacklevel=3)
        elif silent := [str(k) for k, one in enumerate(audio) if not one.sum(axis=tuple(range(1, one.ndim))).any()]:
            raise ValueError(f"{side} sources {', '.join(silent)} are silent throughout; leave them out")
    if len(reference_sources) > MAX_SOURCES:
        raise ValueError(f"{len(reference_sources)} sources are more than museval.metrics.MAX_SOURCES ({MAX_SOURCES})")


def bss_eval(
    reference_sources: ArrayLike,
    estimated_sources: ArrayLike,
    window: float = 2 * 44100,
    hop: float = 1.5 * 44100,
    compute_permutation: bool = False,
    filters_len: int = 512,
    framewise_filters: bool = False,
    bsseval_sources_version: bool = False,
) -> Images:
    """SDR, ISR, SIR, SAR (nb_sources, nb_frames) in dB, and the order of estimates.

    `window` and `hop` are in samples; a window longer than the signals, or infinite, is one frame. With
    `compute_permutation` the estimates are taken in the order of highest mean SIR. With `framewise_filters` each frame
    has distortion filters and an order of its own (BSSEval v3), otherwise all frames share them (v4); they have
    `filters_len` taps. With `bsseval_sources_version` a reference through its filter counts as its true image, as in
    the `sources` functions of v2 and v3; ISR is NaN then. The order has shape (nb_sources, 1), or (nb_sources,
    nb_frames) with `framewise_filters`. Frames in which a source is silent score NaN.
    """
    references, estimates = np.atleast_3d(reference_sources), np.atleast_3d(estimated_sources)
    validate(references, estimates)
    if references.size == 0:
        empty = np.array([])
        return empty, empty, empty, empty, np.array([], np.intp)
    sdr, isr, sir, sar, order = engine.bss_eval(
        list(references),
        list(estimates),
        window,
        hop,
        permutation=compute_permutation,
        nb_taps=filters_len,
        framewise=framewise_filters,
        filtered=bsseval_sources_version,
    )
    return sdr, isr, sir, sar, order.reshape(len(references), -1)


def bss_eval_sources(
    reference_sources: ArrayLike, estimated_sources: ArrayLike, compute_permutation: bool = True
) -> Sources:
    """SDR, SIR, SAR of whole signals by BSSEval v3's `bss_eval_sources`, one frame, and the order of estimates."""
    return bss_eval_sources_framewise(reference_sources, estimated_sources, np.inf, np.inf, compute_permutation)


def bss_eval_sources_framewise(
    reference_sources: ArrayLike,
    estimated_sources: ArrayLike,
    window: float = 30 * 44100,
    hop: float = 15 * 44100,
    compute_permutation: bool = False,
) -> Sources:
    """SDR, SIR, SAR of frames by BSSEval v3's `bss_eval_sources`, and the order of estimates in each frame."""
    sdr, _, sir, sar, order = bss_eval(
        reference_sources,
        estimated_sources,
        window,
        hop,
        compute_permutation,
        framewise_filters=True,
        bsseval_sources_version=True,
    )
    return sdr, sir, sar, order


def bss_eval_images(
    reference_sources: ArrayLike, estimated_sources: ArrayLike, compute_permutation: bool = True
) -> Images:
    """SDR, ISR, SIR, SAR of whole signals by BSSEval v3's `bss_eval_images`, one frame, and the order of estimates."""
    return bss_eval_images_framewise(reference_sources, estimated_sources, np.inf, np.inf, compute_permutation)


def bss_eval_images_framewise(
    reference_sources: ArrayLike,
    estimated_sources: ArrayLike,
    window: float = 30 * 44100,
    hop: float = 15 * 44100,
    compute_permutation: bool = False,
) -> Images:
    """SDR, ISR, SIR, SAR of frames by BSSEval v3's `bss_eval_images`, and the order of estimates in each frame."""
    return bss_eval(reference_sources, estimated_sources, window, hop, compute_permutation, framewise_filters=True)
