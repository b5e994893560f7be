"""Scores of one song as JSON in museval's format. BSS Eval is computed by museval or a faster implementation."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnsep.params import Range
from rnnsep.running.errors import UserError
from rnnsep.scoring import museval_format
from rnnsep.scoring.bsseval.bss_eval import bss_eval, bss_eval_sources, frame_spans
from rnnsep.scoring.bsseval.frames import Signal, Signals
from rnnsep.scoring.ratios import song_ratios

TAPS = {"v3": 512, "v2": 1}  # of the filters that a source may have passed through

Scores = tuple[NDArray[Any], ...]


@dataclass(frozen=True, kw_only=True)
class EvaluationParams:
    """Section `evaluation` of params.yaml."""

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
    targets: Collection[str] | None = None,
) -> str:
    """JSON of a song's scores, in dB.

    `references` and `estimates` map source names to signals (nb_samples, nb_channels), which are read in slices.
    `rate` is in Hz. BSS Eval v3 and v2 need the `mixture`. Only the `targets` (default: all) are in the JSON, in the
    order of the references, but all references count. Raises `UserError` if the estimate of a target is missing.

    Estimates are trimmed or zero-padded to the length of the references. All scores of a frame with a silent source are
    NaN, and so are all of a song with a source that is silent throughout, where museval raises.

    Each target has BSS Eval's scores in `frames`, as museval writes them, and uSDR and SI-SDR of the whole song (see
    `song_ratios`) in `metrics`, which museval ignores. Infinite scores become NaN. Versions 3 and 2 have a single
    frame, as long as the song, with SDR, SIR, SAR, and NSDR, the SDR minus that of the mixture (A. Ozerov et al., IEEE
    Transactions on Audio, Speech and Language Processing 15(5), 2007). In version 3 a source may be filtered by 512
    taps without counting as distorted, in version 2 only scaled, the usual choice before (`bss_decomp_gain`).
    """
    chosen = [name for name in references if targets is None or name in targets]
    for name in chosen:
        if name not in estimates:
            raise UserError(f"no estimate of {name}; found {', '.join(estimates) or 'none'}")
    own = list(references.values())
    # what is not a target need not have been estimated; its estimate has no effect but where it is silent
    those = [estimates.get(name, reference) for name, reference in references.items()]
    if params.version == "v4":
        entries = _frames(list(references), own, those, rate, params)
    elif mixture is None:
        raise ValueError(f"BSS Eval {params.version} needs the mixture")
    else:
        entries = _whole(list(references), own, those, mixture, rate, params)
    content: dict[str, Any] = {"targets": [entry for entry in entries if entry["name"] in chosen]}
    for entry in content["targets"]:
        entry["metrics"] = _rounded(song_ratios(references[entry["name"]], estimates[entry["name"]]))
    if params.version == "v4":
        return museval_format.text(content | {"museval_version": museval_format.VERSION})
    return json.dumps(content, indent=2)


def _frames(
    names: list[str], references: list[Signal], estimates: list[Signal], rate: int, params: EvaluationParams
) -> list[dict[str, Any]]:
    window, hop = int(params.window * rate), int(params.hop * rate)
    if min(window, hop) < 1:
        raise UserError(f"evaluation.window and evaluation.hop must be at least one sample (1/{rate} s at {rate} Hz)")
    engine = bss_eval if params.engine == "fast" else _museval
    sdr, isr, sir, sar, *_ = engine(references, estimates, window, hop)
    scores = {"SDR": sdr, "SIR": sir, "ISR": isr, "SAR": sar}
    return [
        museval_format.target(
            name, {metric: values[index] for metric, values in scores.items()}, params.window, params.hop
        )
        for index, name in enumerate(names)
    ]


def _whole(
    names: list[str],
    references: list[Signal],
    estimates: list[Signal],
    mixture: Signal,
    rate: int,
    params: EvaluationParams,
) -> list[dict[str, Any]]:
    if params.version == "v2" and params.engine == "museval":
        raise UserError("evaluation.engine: museval has no BSS Eval v2; use fast")

    def score(those: Sequence[Signal]) -> Scores:
        if params.engine == "museval":
            return _museval_sources(references, those)
        return bss_eval_sources(references, those, nb_taps=TAPS[params.version])

    sdr, sir, sar, *_ = score(estimates)
    before = score([mixture] * len(references))[0]
    duration = round(references[0].shape[0] / rate, 6)
    values = np.array([sdr, sir, sar, sdr - before]).T.tolist()
    rows = (dict(zip(("SDR", "SIR", "SAR", "NSDR"), row, strict=True)) for row in values)
    return [
        {"name": name, "frames": [{"time": 0.0, "duration": duration, "metrics": _rounded(row)}]}
        for name, row in zip(names, rows, strict=True)
    ]


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores with five decimals, as in museval; infinite scores become NaN."""
    return {metric: round(float(score), 5) if np.isfinite(score) else np.nan for metric, score in scores.items()}


def _museval(references: Sequence[Signal], estimates: Sequence[Signal], window: int, hop: int) -> Scores:
    """SDR, ISR, SIR, SAR (nb_sources, nb_frames) by museval; NaN if a source is silent, where museval raises."""
    audio = _audio(references, estimates)
    if not audio.sum(axis=3).any(axis=2).all():
        return tuple(np.full((4, len(references), len(frame_spans(audio.shape[2], window, hop))), np.nan))
    scores: Scores = museval().evaluate(*audio, win=window, hop=hop, mode="v4")
    return scores


def _museval_sources(references: Sequence[Signal], estimates: Sequence[Signal]) -> Scores:
    """SDR, SIR, SAR (nb_sources,) by museval; NaN if a source is silent, where museval raises."""
    audio = _audio(references, estimates)
    if audio.shape[3] > 1:
        raise UserError("evaluation.engine: museval scores one channel only in BSS Eval v3; use fast")
    if not audio.any(axis=2).all():
        return tuple(np.full((3, len(references)), np.nan))
    scores = museval().metrics.bss_eval_sources(*audio[..., 0], compute_permutation=False)
    return tuple(one[:, 0] for one in scores[:3])


def _audio(references: Sequence[Signal], estimates: Sequence[Signal]) -> NDArray[np.float64]:
    """References and estimates (2, nb_sources, nb_samples, nb_channels)."""
    signals = Signals(references, estimates)
    audio = np.zeros((2 * signals.nb_sources, signals.nb_samples, signals.nb_channels))
    for whole, signal in zip(audio, signals.signals, strict=True):
        part = np.asarray(signal[: signals.nb_samples])
        whole[: len(part)] = part.reshape(len(part), -1)
    return audio.reshape(2, signals.nb_sources, *audio.shape[1:])


def museval() -> ModuleType:
    """museval, which finds `np.linalg.linalg.LinAlgError`, a name that NumPy 2.3 removed; NumPy stays as it is."""
    from rnnsep.signal import without_ffmpeg

    module = without_ffmpeg.museval()
    numpy, linalg = ModuleType("numpy"), ModuleType("linalg")
    vars(numpy).update(__getattr__=partial(getattr, np), linalg=linalg)
    vars(linalg).update(__getattr__=partial(getattr, np.linalg), linalg=np.linalg)
    module.metrics.np = numpy
    return module
