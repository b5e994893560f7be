"""Separation of samples in memory."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from rnnsep.app.models import ModelFiles, find_model
from rnnsep.network.model import load_model
from rnnsep.params import parse
from rnnsep.separation import blocks, filters
from rnnsep.separation.blocks import SeparationParams, Separator

BLOCK = 60.0  # s that the network sees at a time


def separate(
    audio: ArrayLike,
    rate: int,
    model: Path | str | Separator | None = None,
    filter: filters.Name = "mask",  # noqa: A002  # as in params.yaml
    temperature: float = 1.0,
) -> dict[str, NDArray[np.float32]]:
    """
    The estimated sources of `audio`, floats (nb_samples,) or (nb_samples, nb_channels) at `rate` (Hz), by name.

    >>> estimates = rnnsep.separate(audio, 44100)
    >>> estimates["vocals"].shape == audio.shape
    True

    `model` is a trained model's folder or name, a loaded one (`network.model.load_model`), or None (see `find_model`).
    The model is kept in memory for the next call. `filter` and `temperature` are those of section `separation` in
    params.yaml. Raises `UserError` if there is no model or an option is impossible, ValueError for audio of another
    form.
    """
    params, given = separation_params(filter, temperature), np.asarray(audio)
    if given.dtype.kind != "f" or given.ndim not in (1, 2) or given.size == 0 or not np.isfinite(given).all():
        raise ValueError(f"audio must be finite floats (nb_samples, nb_channels), not {given.dtype} {given.shape}")
    mixture = given.astype(np.float32).reshape(len(given), -1)
    if mixture.shape[1] > len(mixture) > 1:
        raise ValueError(f"audio must be (nb_samples, nb_channels), but is {given.shape}; transpose it")
    if model is None or isinstance(model, Path | str):
        model = _loaded(ModelFiles.read(find_model(model)))
    with threadpool_limits(1):  # so that samples do not depend on the number of cores
        parts = list(blocks.separate(mixture, rate, model, params))
    # (nb_sources, nb_samples, nb_channels) -> the same, or (nb_sources, nb_samples)
    estimates = np.concatenate(parts, axis=1).reshape(-1, *given.shape)
    return dict(zip(model.sources, estimates, strict=True))


@lru_cache(maxsize=1)
def _loaded(files: ModelFiles) -> Separator:
    return load_model(files.folder)


def separation_params(filter: filters.Name, temperature: float) -> SeparationParams:  # noqa: A002  # as in params.yaml
    """The settings of the separation of own songs. Raises `ParamError` for an impossible value."""
    return parse(SeparationParams, {"filter": filter, "temperature": temperature, "block": BLOCK})
