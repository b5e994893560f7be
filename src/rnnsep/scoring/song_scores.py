"""Scores of one song as museval's JSON, with the same bytes as museval 0.4.1 writes."""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np

from rnnsep.running.errors import UserError
from rnnsep.scoring import with_museval
from rnnsep.scoring.bsseval.bss_eval import bss_eval
from rnnsep.scoring.ratios import song_ratios
from rnnsep.signal.corpus import EvaluationParams
from rnnsep.signal.streams import Audio

VERSION = "0.4.1"  # of the museval whose scores and format these are
STORED = ("SDR", "SIR", "SAR", "ISR")  # the metrics in the order of the JSON
STEP = Decimal("0.00001")
ENGINES = {"fast": bss_eval, "museval": with_museval.bss_eval}
TAPS = {"v4": 512, "v3": 512, "v2": 1}  # of the filters that a source may have passed through


def as_json(targets: Sequence[dict[str, Any]], params: EvaluationParams) -> str:
    """JSON of the scores of `song_targets`; museval's, for version 4."""
    version = {"museval_version": VERSION} if params.version == "v4" else {}
    return text({"targets": targets} | version)


def text(content: Any) -> str:
    """`content` as indented JSON, where NaN is a bare `NaN` and a `Decimal` keeps its zeros."""
    quoted = json.dumps(content, indent=2, default=lambda number: f"\0{number}")
    return re.sub(r'"\\u0000([^"]*)"', r"\1", quoted)


def stored(scores: Mapping[str, Sequence[float]], window: float, hop: float) -> list[dict[str, Any]]:
    """The frames of a target; `scores` maps `STORED` to one score in dB per frame, `window` and `hop` are in s."""

    def quantised(score: float) -> Any:
        return Decimal(float(score)).quantize(STEP) if math.isfinite(score) else math.nan

    return [
        {
            "time": index * hop,
            "duration": window,
            "metrics": {metric: quantised(scores[metric][index]) for metric in STORED},
        }
        for index in range(len(scores["SDR"]))
    ]


def song_targets(
    references: Mapping[str, Audio],
    estimates: Mapping[str, Audio],
    rate: int,
    params: EvaluationParams,
    mixture: Audio,
    targets: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """The scores of each target in dB, as in the JSON.

    `references` and `estimates` map source names to signals (nb_samples, nb_channels), which are read in slices.
    `rate` is in Hz. BSS Eval v3 and v2 compare with the `mixture`. Only the `targets` (default: all) are scored, in the
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
    # what is not a target need not have been estimated; its estimate has no effect but where it is silent
    sides = list(references.values()), [estimates.get(name, own) for name, own in references.items()]
    frames = _frames(*sides, rate, params) if params.version == "v4" else _whole(*sides, mixture, rate, params)
    return [
        {"name": name, "frames": own, "metrics": _rounded(song_ratios(references[name], estimates[name]))}
        for name, own in zip(references, frames, strict=True)
        if name in chosen
    ]


def _frames(
    references: Sequence[Audio], estimates: Sequence[Audio], rate: int, params: EvaluationParams
) -> list[list[dict[str, Any]]]:
    window, hop = int(params.window * rate), int(params.hop * rate)
    if min(window, hop) < 1:
        raise UserError(f"evaluation.window and evaluation.hop must be at least one sample (1/{rate} s at {rate} Hz)")
    found = zip(*ENGINES[params.engine](references, estimates, window, hop)[:4], strict=True)
    scores = [dict(zip(("SDR", "ISR", "SIR", "SAR"), one, strict=True)) for one in found]
    return [stored(one, params.window, params.hop) for one in scores]


def _whole(
    references: Sequence[Audio], estimates: Sequence[Audio], mixture: Audio, rate: int, params: EvaluationParams
) -> list[list[dict[str, Any]]]:
    score = partial(ENGINES[params.engine], nb_taps=TAPS[params.version], framewise=True, filtered=True)
    sdr, _, sir, sar, _ = score(references, estimates, math.inf, math.inf)
    before = score(references, [mixture] * len(references), math.inf, math.inf).sdr
    duration = round(references[0].shape[0] / rate, 6)
    rows = np.hstack([sdr, sir, sar, sdr - before]).tolist()
    scores = [_rounded(dict(zip(("SDR", "SIR", "SAR", "NSDR"), row, strict=True))) for row in rows]
    return [[{"time": 0.0, "duration": duration, "metrics": metrics}] for metrics in scores]


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores with five decimals, as in museval; infinite scores become NaN."""
    return {metric: round(float(score), 5) if np.isfinite(score) else np.nan for metric, score in scores.items()}
