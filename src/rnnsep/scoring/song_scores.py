"""Scores of one song as JSON in museval's format. BSS Eval is computed by museval or a faster implementation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnsep.params import Range
from rnnsep.running.errors import UserError
from rnnsep.scoring.bsseval.frames import Signal, Signals
from rnnsep.scoring.bsseval.metrics import bss_eval, bss_eval_sources, frame_spans
from rnnsep.scoring.ratios import song_ratios
from rnnsep.scoring.track_store import TrackStore
from rnnsep.signal import sigsep

TAPS = {"v3": 512, "v2": 1}  # of the filters that a source may have passed through


@dataclass(frozen=True, kw_only=True)
class EvaluationParams:
    engine: Literal["fast", "museval"]
    window: Annotated[float, Range(0.01)]  # seconds
    hop: Annotated[float, Range(0.01)]  # seconds
    version: Literal["v4", "v3", "v2"]
    split: Literal["test", "valid"]


def evaluate_song(
    references: Mapping[str, Signal],
    estimates: Mapping[str, Signal],
    rate: int,
    params: EvaluationParams,
    mixture: Signal | None = None,
) -> str:
    """JSON of a song's scores by BSSEval v4 (see `evaluate_frames`) or BSS Eval v3 or v2 (see `evaluate_whole`).

    `references` and `estimates` map source names to signals (nb_samples, nb_channels), which are read in slices.
    `rate` is in Hz. BSS Eval v3 and v2 need the `mixture`. Raises `UserError` if an estimate is missing.

    Each target has the scores of its frames in `frames`, as museval writes them, and uSDR and SI-SDR of the whole song
    (see `song_ratios`) in `metrics`, which museval ignores. Infinite scores become NaN.
    """
    for name in references:
        if name not in estimates:
            raise UserError(f"no estimate of {name}; found {', '.join(estimates) or 'none'}")
    if params.version == "v4":
        return evaluate_frames(references, estimates, rate, params)
    if mixture is None:
        raise ValueError(f"BSS Eval {params.version} needs the mixture")
    return evaluate_whole(references, estimates, mixture, rate, params)


def evaluate_frames(
    references: Mapping[str, Signal], estimates: Mapping[str, Signal], rate: int, params: EvaluationParams
) -> str:
    """JSON of a song's BSSEval v4 scores, uSDR and SI-SDR; valid by museval's schema.

    Sources keep the order of the references. All sources are scored together, so `accompaniment` next to `vocals` is
    one more source. Both engines follow the rules of `bss_eval`: estimates are trimmed or zero-padded to the length
    of the references, all scores of a frame with a silent source are NaN, and all scores of a song with a source
    that is silent throughout are NaN.
    """
    window, hop = int(params.window * rate), int(params.hop * rate)
    if min(window, hop) < 1:
        raise UserError(f"evaluation.window and evaluation.hop must be at least one sample (1/{rate} s at {rate} Hz)")
    score = bss_eval if params.engine == "fast" else _museval
    sdr, isr, sir, sar, *_ = score(list(references.values()), [estimates[name] for name in references], window, hop)
    store = TrackStore("", params.window, params.hop)
    for index, name in enumerate(references):
        scores = {"SDR": sdr, "SIR": sir, "ISR": isr, "SAR": sar}
        store.add_target(name, {metric: values[index].tolist() for metric, values in scores.items()})
        store.scores["targets"][-1]["metrics"] = _rounded(song_ratios(references[name], estimates[name]))
    return store.json


def evaluate_whole(
    references: Mapping[str, Signal],
    estimates: Mapping[str, Signal],
    mixture: Signal,
    rate: int,
    params: EvaluationParams,
) -> str:
    """JSON of a song's BSS Eval v3 or v2 scores, uSDR and SI-SDR.

    BSS Eval's scores are SDR, SIR, SAR, and NSDR, the SDR minus the SDR of the mixture (A. Ozerov et al., IEEE
    Transactions on Audio, Speech and Language Processing 15(5), 2007). They are stored as a single frame, as long as
    the song. A source may be filtered by 512 taps without counting as distorted, in version 2 only scaled: that was the
    usual choice before version 3 (`bss_decomp_gain`). The engine museval is `museval.metrics.bss_eval_sources`; it has
    version 3 and scores one channel only.
    """
    if params.version == "v2" and params.engine == "museval":
        raise UserError("evaluation.engine: museval has no BSS Eval v2; use fast")
    ours = partial(bss_eval_sources, nb_taps=TAPS[params.version])
    score = ours if params.engine == "fast" else _museval_sources
    signals = list(references.values())
    sdr, sir, sar, _ = score(signals, [estimates[name] for name in references])
    before, *_ = score(signals, [mixture] * len(signals))
    duration = round(signals[0].shape[0] / rate, 6)
    targets = []
    for index, name in enumerate(references):
        values = {"SDR": sdr[index], "SIR": sir[index], "SAR": sar[index], "NSDR": sdr[index] - before[index]}
        frame = {"time": 0.0, "duration": duration, "metrics": _rounded(values)}
        whole = _rounded(song_ratios(references[name], estimates[name]))
        targets.append({"name": name, "frames": [frame], "metrics": whole})
    return json.dumps({"targets": targets}, indent=2)


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores with five decimals, as in museval; infinite scores become NaN."""
    return {metric: round(float(score), 5) if np.isfinite(score) else np.nan for metric, score in scores.items()}


def _museval_sources(references: list[Signal], estimates: list[Signal]) -> tuple[NDArray[Any], ...]:
    """SDR, SIR, SAR (nb_sources,) and permutation by museval; NaN if a source is silent, where museval raises."""
    museval, audio = _audio(references, estimates)
    if audio.shape[2] > 1:
        raise UserError("evaluation.engine: museval scores one channel only in BSS Eval v3; use fast")
    if not audio.any(axis=1).all():
        return (*np.full((3, len(references)), np.nan), np.arange(len(references)))
    scores = museval.metrics.bss_eval_sources(*np.split(audio[:, :, 0], 2), compute_permutation=False)
    return tuple(one.reshape(-1) for one in scores)  # (nb_sources, one frame) -> (nb_sources,)


def _museval(references: list[Signal], estimates: list[Signal], window: int, hop: int) -> tuple[NDArray[Any], ...]:
    """SDR, ISR, SIR, SAR (nb_sources, nb_frames) by museval; NaN if a source is silent, where museval raises."""
    museval, audio = _audio(references, estimates)
    if not audio.sum(axis=2).any(axis=1).all():
        return tuple(np.full((4, len(references), len(frame_spans(audio.shape[1], window, hop))), np.nan))
    scores: tuple[NDArray[Any], ...] = museval.evaluate(*np.split(audio, 2), win=window, hop=hop, mode="v4")
    return scores


def _audio(references: list[Signal], estimates: list[Signal]) -> tuple[Any, NDArray[np.float64]]:
    """museval, and all signals (references then estimates, nb_samples, nb_channels)."""
    museval = sigsep.museval()
    # museval 0.4.1 catches np.linalg.linalg.LinAlgError, of which NumPy 2.0 warns and which NumPy 2.3 removed
    np.linalg.linalg = np.linalg  # type: ignore[attr-defined]
    signals = Signals(references, estimates)
    audio = np.zeros((2 * signals.nb_sources, signals.nb_samples, signals.nb_channels))
    for whole, signal in zip(audio, signals.signals, strict=True):
        part = np.asarray(signal[: signals.nb_samples])
        whole[: len(part)] = part.reshape(len(part), -1)
    return museval, audio
