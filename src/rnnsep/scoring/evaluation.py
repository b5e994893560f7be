"""A song's scores in museval's JSON, by museval itself or by the same algorithm made fast."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnsep.corpora import sigsep
from rnnsep.params import Range
from rnnsep.running.errors import UserError
from rnnsep.scoring.bsseval.frames import Signal, Signals
from rnnsep.scoring.bsseval.scores import bss_eval, frame_spans

METRICS = ("SDR", "SIR", "ISR", "SAR")


@dataclass(frozen=True)
class EvaluationParams:
    engine: Literal["fast", "museval"]
    window: Annotated[float, Range(0.01)]  # seconds
    hop: Annotated[float, Range(0.01)]  # seconds


def evaluate_song(
    references: Mapping[str, Signal], estimates: Mapping[str, Signal], rate: int, params: EvaluationParams
) -> str:
    """BSSEval v4 scores of a song's sources as museval's `TrackStore` writes them, valid by its schema.

    References and estimates are by source name, each (nb_samples, nb_channels) and read in slices; `rate` is in Hz.
    Sources stand in the order of the references, which are scored together: `accompaniment` beside `vocals` is a
    source like any other. Either engine follows the rules of `bss_eval`: estimates are cut or padded to the length of
    the references, a frame with a silent source is NaN throughout, and so is each frame of a song with a source that
    is silent in all of it. JSON has NaN for infinite scores, too. Raises `UserError` where an estimate is missing.
    """
    for name in references:
        if name not in estimates:
            raise UserError(f"no estimate of {name}; there are {', '.join(estimates) or 'none'}")
    window, hop = int(params.window * rate), int(params.hop * rate)
    if min(window, hop) < 1:
        raise UserError(f"evaluation.window and evaluation.hop must be a sample or more, at {rate} Hz 1/{rate} s")
    score = bss_eval if params.engine == "fast" else _museval
    sdr, isr, sir, sar, *_ = score(list(references.values()), [estimates[name] for name in references], window, hop)
    store = sigsep.museval().TrackStore("", params.window, params.hop)
    for index, name in enumerate(references):
        scores = zip(METRICS, (sdr, sir, isr, sar), strict=True)
        store.add_target(name, {metric: values[index].tolist() for metric, values in scores})
    store.validate()
    return str(store.json)


def _museval(references: list[Signal], estimates: list[Signal], window: int, hop: int) -> tuple[NDArray[Any], ...]:
    """SDR, ISR, SIR, SAR by museval, except where it would raise since a source is silent throughout."""
    museval = sigsep.museval()
    if not hasattr(np.linalg, "linalg"):  # where museval 0.4.1 looks for LinAlgError, and NumPy had it until 2.3
        np.linalg.linalg = np.linalg  # type: ignore[attr-defined]
    signals = Signals(references, estimates)
    audio = np.zeros((2 * signals.nb_sources, signals.nb_samples, signals.nb_channels))
    for whole, signal in zip(audio, signals.signals, strict=True):
        part = np.asarray(signal[: signals.nb_samples])
        whole[: len(part)] = part.reshape(len(part), -1)
    if not audio.sum(axis=2).any(axis=1).all():
        return tuple(np.full((4, signals.nb_sources, len(frame_spans(signals.nb_samples, window, hop))), np.nan))
    scores: tuple[NDArray[Any], ...] = museval.evaluate(*np.split(audio, 2), win=window, hop=hop, mode="v4")
    return scores
