"""Scores of one song as JSON in museval's format. BSS Eval is computed by museval or a faster implementation."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from math import inf
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.scoring import museval_format
from rnnsep.scoring.bsseval.bss_eval import bss_eval, frame_spans
from rnnsep.scoring.bsseval.frames import Signal, Signals
from rnnsep.scoring.ratios import song_ratios
from rnnsep.signal.corpus import EvaluationParams

TAPS = {"v4": 512, "v3": 512, "v2": 1}  # of the filters that a source may have passed through

Pairs = Mapping[str, tuple[Signal, Signal]]  # references and estimates
Scores = tuple[NDArray[Any], ...]


def evaluate_song(
    references: Mapping[str, Signal],
    estimates: Mapping[str, Signal],
    rate: int,
    params: EvaluationParams,
    mixture: Signal | None = None,
) -> str:
    """JSON of a song's scores (see `song_targets`)."""
    return as_json(song_targets(references, estimates, rate, params, mixture), params)


def as_json(targets: Sequence[dict[str, Any]], params: EvaluationParams) -> str:
    """JSON of the scores of `song_targets`; museval's, for version 4."""
    version = {"museval_version": museval_format.VERSION} if params.version == "v4" else {}
    return museval_format.text({"targets": targets} | version)


def song_targets(
    references: Mapping[str, Signal],
    estimates: Mapping[str, Signal],
    rate: int,
    params: EvaluationParams,
    mixture: Signal | None = None,
    targets: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """The scores of each target in dB, as in the JSON.

    `references` and `estimates` map source names to signals (nb_samples, nb_channels), which are read in slices.
    `rate` is in Hz. BSS Eval v3 and v2 need the `mixture`. Only the `targets` (default: all) are scored, in the order
    of the references, but all references count. Raises `UserError` if the estimate of a target is missing.

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
    # what is not a target need not have been estimated; its estimate has no effect but where it is silent
    pairs = {name: (own, estimates.get(name, own)) for name, own in references.items()}
    entries = _frames(pairs, rate, params) if params.version == "v4" else _whole(pairs, mixture, rate, params)
    found = [entry for entry in entries if entry["name"] in chosen]
    for entry in found:
        entry["metrics"] = _rounded(song_ratios(references[entry["name"]], estimates[entry["name"]]))
    return found


def _frames(pairs: Pairs, rate: int, params: EvaluationParams) -> list[dict[str, Any]]:
    window, hop = int(params.window * rate), int(params.hop * rate)
    if min(window, hop) < 1:
        raise UserError(f"evaluation.window and evaluation.hop must be at least one sample (1/{rate} s at {rate} Hz)")
    sdr, isr, sir, sar, *_ = ENGINES[params.engine](*zip(*pairs.values(), strict=True), window, hop)
    return [
        museval_format.target(
            name, {"SDR": sdr[k], "SIR": sir[k], "ISR": isr[k], "SAR": sar[k]}, params.window, params.hop
        )
        for k, name in enumerate(pairs)
    ]


def _whole(pairs: Pairs, mixture: Signal | None, rate: int, params: EvaluationParams) -> list[dict[str, Any]]:
    if mixture is None:
        raise ValueError(f"BSS Eval {params.version} needs the mixture")
    references, estimates = zip(*pairs.values(), strict=True)
    whole = {"window": inf, "hop": inf, "nb_taps": TAPS[params.version], "framewise": True, "filtered": True}
    score = partial(ENGINES[params.engine], references, **whole)
    sdr, _, sir, sar, *_ = score(estimates)
    before, *_ = score([mixture] * len(pairs))
    duration = round(references[0].shape[0] / rate, 6)
    rows = np.hstack([sdr, sir, sar, sdr - before]).tolist()
    scores = [_rounded(dict(zip(("SDR", "SIR", "SAR", "NSDR"), row, strict=True))) for row in rows]
    return [
        {"name": name, "frames": [{"time": 0.0, "duration": duration, "metrics": metrics}]}
        for name, metrics in zip(pairs, scores, strict=True)
    ]


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores with five decimals, as in museval; infinite scores become NaN."""
    return {metric: round(float(score), 5) if np.isfinite(score) else np.nan for metric, score in scores.items()}


def _museval(
    references: Sequence[Signal],
    estimates: Sequence[Signal],
    window: float,
    hop: float,
    nb_taps: int = 512,
    framewise: bool = False,
    filtered: bool = False,
) -> Scores:
    """Like `bss_eval`, by museval; NaN if a source is silent, where museval raises."""
    signals = Signals(references, estimates)
    audio = np.zeros((2 * signals.nb_sources, signals.nb_samples, signals.nb_channels))
    for whole, signal in zip(audio, signals.signals, strict=True):
        part = np.asarray(signal[: signals.nb_samples])
        whole[: len(part)] = part.reshape(len(part), -1)
    if not audio.sum(axis=2).any(axis=1).all():
        nb_frames = len(frame_spans(signals.nb_samples, window, hop))
        return tuple(np.full((4, signals.nb_sources, nb_frames), np.nan))
    scores: Scores = museval().metrics.bss_eval(*np.split(audio, 2), window, hop, False, nb_taps, framewise, filtered)
    return scores


ENGINES: dict[str, Callable[..., Scores]] = {"fast": bss_eval, "museval": _museval}


def museval() -> ModuleType:
    """museval, which finds `np.linalg.linalg.LinAlgError`, a name that NumPy 2.3 removed; NumPy stays as it is."""
    from rnnsep.signal import without_ffmpeg

    module = without_ffmpeg.museval()
    numpy, linalg = ModuleType("numpy"), ModuleType("linalg")
    vars(numpy).update(__getattr__=partial(getattr, np), linalg=linalg)
    vars(linalg).update(__getattr__=partial(getattr, np.linalg), linalg=np.linalg)
    module.metrics.np = numpy
    return module
