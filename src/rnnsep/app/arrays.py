"""Separation of samples in memory."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from rnnsep.network.model import Model, load_model, model_digest
from rnnsep.network.packaged import find_model
from rnnsep.params import parse
from rnnsep.separation import blocks, filters
from rnnsep.separation.blocks import SeparationParams

BLOCK = 60.0  # s that the network sees at a time
RATES = (100, 1_000_000)  # Hz
MANY = 64  # channels; more in a single sample are samples of one channel


def separate(
    audio: ArrayLike,
    rate: int,
    model: Path | str | Model | None = None,
    filter: filters.Name = "mask",  # noqa: A002  # as in params.yaml
    temperature: float = 1.0,
) -> dict[str, NDArray[np.float32]]:
    """Separate audio in memory.

    >>> audio, rate = soundfile.read("song.wav")
    >>> vocals = rnnsep.separate(audio, rate)["vocals"]

    Parameters
    ----------
    audio
        Floats (nb_samples,) or (nb_samples, nb_channels), of any length and number of channels.
    rate
        Sample rate in Hz.
    model
        Folder or name of a trained model, or one that `rnnsep.network.model.load_model` has returned. None stands for
        the pipeline's model in the folder `models`, or else the default packaged model. The model of the last call is
        kept in memory.
    filter
        Post-filter: "mask", the soft masks alone, or "wiener", a multichannel Wiener filter.
    temperature
        Above 1 for softer masks, from 0.1 to 10.

    Returns
    -------
    dict of str to ndarray
        The estimated sources by name: float32 of the shape and rate of `audio`.

    Raises
    ------
    rnnsep.running.errors.UserError
        If there is no such model or an option is impossible.
    ValueError
        If `audio` is of another form, or holds NaN or infinity.
    """
    params, given = separation_params(filter, temperature), np.asarray(audio)
    if given.dtype.kind != "f" or given.ndim not in (1, 2) or given.size == 0:
        raise ValueError(f"audio must be floats (nb_samples, nb_channels), but is {given.dtype} {given.shape}")
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"the rate must be from {RATES[0]} to {RATES[1]} Hz, but is {rate}")
    with np.errstate(over="ignore"):
        mixture = given.astype(np.float32).reshape(len(given), -1)
    nb_samples, nb_channels = mixture.shape
    if nb_channels > nb_samples and (nb_samples > 1 or nb_channels > MANY):
        raise ValueError(f"audio must be (nb_samples, nb_channels), but is {given.shape}: transpose it, audio.T")
    if not np.isfinite(mixture).all():
        raise ValueError("audio holds NaN, infinity or values beyond float32")
    if model is None or isinstance(model, Path | str):
        folder = find_model(model)
        model = loaded(folder, model_digest(folder))
    with threadpool_limits(1):  # so that samples do not depend on the number of cores
        parts = list(blocks.separate(mixture, rate, model, params))
    # (nb_sources, nb_samples, nb_channels) -> the same, or (nb_sources, nb_samples)
    estimates = np.concatenate(parts, axis=1).reshape(-1, *given.shape)
    return dict(zip(model.sources, estimates, strict=True))


@lru_cache(maxsize=1)
def loaded(folder: Path, digest: str) -> Model:  # noqa: ARG001  # after a change of its files, a model is loaded again
    """The model in `folder`, whose files have this digest. The last one is kept in memory."""
    return load_model(folder)


def separation_params(filter: filters.Name, temperature: float) -> SeparationParams:  # noqa: A002  # as in params.yaml
    """The settings of the separation of own songs. Raises `ParamError` for an impossible value."""
    return parse(SeparationParams, {"filter": filter, "temperature": temperature, "block": BLOCK})
