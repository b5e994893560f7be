"""museval's JSON: the scores of a song's targets, frame by frame, with the same bytes as museval 0.4.1 writes."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

VERSION = "0.4.1"  # of the museval whose scores and format these are
STORED = ("SDR", "SIR", "SAR", "ISR")  # the metrics in the order of the JSON
STEP = Decimal("0.00001")


def frames(scores: Mapping[str, Sequence[float]], window: float, hop: float) -> list[dict[str, Any]]:
    """The frames of a target; `scores` maps `STORED` to one score in dB per frame, `window` and `hop` are in s."""
    return [
        {
            "time": index * hop,
            "duration": window,
            "metrics": {metric: _quantised(scores[metric][index]) for metric in STORED},
        }
        for index in range(len(scores["SDR"]))
    ]


def text(content: Any) -> str:
    """`content` as indented JSON, where NaN is a bare `NaN` and a `Decimal` keeps its zeros."""
    quoted = json.dumps(content, indent=2, default=lambda number: f"\0{number}")
    return re.sub(r'"\\u0000([^"]*)"', r"\1", quoted)


def _quantised(score: float) -> Any:
    return math.nan if math.isinf(score) or math.isnan(score) else Decimal(float(score)).quantize(STEP)
