"""Separation of samples in memory."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnsep.app.models import find_model
from rnnsep.params import parse
from rnnsep.separation import filters
from rnnsep.separation.blocks import SeparationParams, Separator, separate

BLOCK = 60.0  # s that the network sees at a time


def separate_audio(
    audio: ArrayLike,
    rate: int,
    model: Path | str | Separator | None = None,
    filter: filters.Name = "mask",  # noqa: A002  # as in params.yaml
    temperature: float = 1.0,
) -> dict[str, NDArray[np.float32]]:
    """
    The estimated sources of `audio`, floats (nb_samples,) or (nb_samples, nb_channels) at `rate` (Hz), by name.

    >>> estimates = separate_audio(audio, 44100)
    >>> estimates["vocals"].shape == audio.shape
    True

    `model` is the folder of a trained model, a loaded one (`network.model.load_model`), which saves time over many
    songs, or None (see `find_model`). `filter` and `temperature` are those of section `separation` in params.yaml.
    Raises `UserError` if there is no model or an option is impossible, ValueError for audio of another form.
    """
    from rnnsep.network.model import load_model as load  # here, since TensorFlow takes seconds to import
    from rnnsep.network.settings import standard_settings

    params, given = separation_params(filter, temperature), np.asarray(audio)
    if given.dtype.kind != "f" or given.ndim not in (1, 2) or given.size == 0 or not np.isfinite(given).all():
        raise ValueError(f"audio must be finite floats (nb_samples, nb_channels), not {given.dtype} {given.shape}")
    mixture = given.astype(np.float32).reshape(len(given), -1)
    if mixture.shape[1] > len(mixture) > 1:
        raise ValueError(f"audio must be (nb_samples, nb_channels), but is {given.shape}; transpose it")
    separator = load(find_model(model)) if model is None or isinstance(model, Path | str) else model
    with standard_settings():
        blocks = list(separate(mixture, rate, separator, params))
    # (nb_sources, nb_samples, nb_channels) -> the same, or (nb_sources, nb_samples)
    estimates = np.concatenate(blocks, axis=1).reshape(-1, *given.shape)
    return dict(zip(separator.sources, estimates, strict=True))


def separation_params(filter: filters.Name, temperature: float) -> SeparationParams:  # noqa: A002  # as in params.yaml
    """The settings of the separation of own songs. Raises `ParamError` for an impossible value."""
    return parse(SeparationParams, {"filter": filter, "temperature": temperature, "block": BLOCK})
