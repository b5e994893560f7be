"""A song's scores in museval's JSON, by museval itself or by the same algorithm made fast."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnsep.params import Range
from rnnsep.running.errors import UserError
from rnnsep.scoring.bsseval.frames import Signal, Signals
from rnnsep.scoring.bsseval.metrics import bss_eval, bss_eval_sources, frame_spans
from rnnsep.signal import sigsep

METRICS = ("SDR", "SIR", "ISR", "SAR")


@dataclass(frozen=True)
class EvaluationParams:
    engine: Literal["fast", "museval"]
    window: Annotated[float, Range(0.01)]  # seconds
    hop: Annotated[float, Range(0.01)]  # seconds
    version: Literal["v4", "v3"]
    split: Literal["test", "valid"]  # the songs that are scored


def evaluate_song(
    references: Mapping[str, Signal],
    estimates: Mapping[str, Signal],
    rate: int,
    params: EvaluationParams,
    mixture: Signal | None = None,
) -> str:
    """Scores of a song's sources as JSON: by BSSEval v4 or, against the `mixture` too, by BSS Eval v3.

    References and estimates are by source name, each (nb_samples, nb_channels) and read in slices; `rate` is in Hz.
    Raises `UserError` where an estimate is missing. See `evaluate_frames` and `evaluate_whole`.
    """
    for name in references:
        if name not in estimates:
            raise UserError(f"no estimate of {name}; there are {', '.join(estimates) or 'none'}")
    if params.version == "v4":
        return evaluate_frames(references, estimates, rate, params)
    if mixture is None:
        raise ValueError("BSS Eval v3 is scored against the mixture, which is missing")
    return evaluate_whole(references, estimates, mixture, rate, params.engine)


def evaluate_frames(
    references: Mapping[str, Signal], estimates: Mapping[str, Signal], rate: int, params: EvaluationParams
) -> str:
    """BSSEval v4 scores of a song's sources as museval's `TrackStore` writes them, valid by its schema.

    Sources stand in the order of the references, which are scored together: `accompaniment` beside `vocals` is a
    source like any other. Either engine follows the rules of `bss_eval`: estimates are cut or padded to the length of
    the references, a frame with a silent source is NaN throughout, and so is each frame of a song with a source that
    is silent in all of it. JSON has NaN for infinite scores, too.
    """
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


def evaluate_whole(
    references: Mapping[str, Signal], estimates: Mapping[str, Signal], mixture: Signal, rate: int, engine: str
) -> str:
    """BSS Eval v3 scores SDR, SIR, SAR of a song's sources, and NSDR, what the SDR is above that of the mixture.

    The JSON is of museval's form, with one frame, whose duration is that of the song; infinite scores are NaN. The
    engine museval is `museval.metrics.bss_eval_sources`, which is for one channel. NSDR: Ozerov et al.,
    IEEE TASLP 15(5), 2007.
    """
    score = bss_eval_sources if engine == "fast" else _museval_sources
    signals = list(references.values())
    sdr, sir, sar, _ = score(signals, [estimates[name] for name in references])
    before, *_ = score(signals, [mixture] * len(signals))
    duration = round(signals[0].shape[0] / rate, 6)
    targets = []
    for index, name in enumerate(references):
        values = {"SDR": sdr[index], "SIR": sir[index], "SAR": sar[index], "NSDR": sdr[index] - before[index]}
        scores = {metric: round(float(value), 5) if np.isfinite(value) else np.nan for metric, value in values.items()}
        targets.append({"name": name, "frames": [{"time": 0.0, "duration": duration, "metrics": scores}]})
    return json.dumps({"targets": targets}, indent=2)


def _museval_sources(references: list[Signal], estimates: list[Signal]) -> tuple[NDArray[Any], ...]:
    """SDR, SIR, SAR and the order of estimates by museval, except where it would raise since a source is silent."""
    museval, audio = _audio(references, estimates)
    if audio.shape[2] > 1:
        raise UserError("evaluation.engine: museval has BSS Eval v3 for one channel only; use fast")
    if not audio.any(axis=1).all():
        return (*np.full((3, len(references)), np.nan), np.arange(len(references)))
    scores = museval.metrics.bss_eval_sources(*np.split(audio[:, :, 0], 2), compute_permutation=False)
    return tuple(one.reshape(-1) for one in scores)  # (nb_sources, one frame) -> (nb_sources,)


def _museval(references: list[Signal], estimates: list[Signal], window: int, hop: int) -> tuple[NDArray[Any], ...]:
    """SDR, ISR, SIR, SAR by museval, except where it would raise since a source is silent throughout."""
    museval, audio = _audio(references, estimates)
    if not audio.sum(axis=2).any(axis=1).all():
        return tuple(np.full((4, len(references), len(frame_spans(audio.shape[1], window, hop))), np.nan))
    scores: tuple[NDArray[Any], ...] = museval.evaluate(*np.split(audio, 2), win=window, hop=hop, mode="v4")
    return scores


def _audio(references: list[Signal], estimates: list[Signal]) -> tuple[Any, NDArray[np.float64]]:
    """museval, and all signals in one array (references and estimates, nb_samples, nb_channels)."""
    museval = sigsep.museval()
    if not hasattr(np.linalg, "linalg"):  # where museval 0.4.1 looks for LinAlgError, and NumPy had it until 2.3
        np.linalg.linalg = np.linalg  # type: ignore[attr-defined]
    signals = Signals(references, estimates)
    audio = np.zeros((2 * signals.nb_sources, signals.nb_samples, signals.nb_channels))
    for whole, signal in zip(audio, signals.signals, strict=True):
        part = np.asarray(signal[: signals.nb_samples])
        whole[: len(part)] = part.reshape(len(part), -1)
    return museval, audio
