"""Scores of one song in museval's format."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejson

if TYPE_CHECKING:
    import pandas as pd

STORED = ("SDR", "SIR", "SAR", "ISR")  # the metrics in the order of the JSON
STEP = Decimal("0.00001")


class TrackStore:
    """
    The scores of a song's targets, frame by frame: museval's class of this name, with the same JSON to the byte.

    `win` and `hop` are in s and only describe the frames. `frames_agg` is "median", "mean" or a function of a list of
    scores; `repr` uses it. `scores` holds the content of the JSON file. Scores are rounded to five decimals; an
    infinite score is stored as NaN.
    """

    def __init__(
        self,
        track_name: str,
        win: float = 1,
        hop: float = 1,
        frames_agg: str | Callable[[list[float]], float] = "median",
    ):
        self.track_name, self.win, self.hop = track_name, win, hop
        known: dict[Any, Callable[[list[float]], Any]] = {"median": np.nanmedian, "mean": np.nanmean}
        self.frames_agg: Any = known.get(frames_agg, frames_agg)
        self.scores: dict[str, Any] = {"targets": [], "museval_version": version("museval")}

    def add_target(self, target_name: str, values: Mapping[str, Sequence[float]]) -> None:
        """Add a target. `values` maps SDR, SIR, SAR and ISR to one score in dB per frame."""
        frames = [
            {
                "time": index * self.hop,
                "duration": self.win,
                "metrics": {metric: _quantised(values[metric][index]) for metric in STORED},
            }
            for index in range(len(values["SDR"]))
        ]
        self.scores["targets"].append({"name": target_name, "frames": frames})

    @property
    def json(self) -> str:
        """The scores as indented JSON, where NaN is a bare `NaN`."""
        text: str = simplejson.dumps(self.scores, indent=2, allow_nan=True, use_decimal=True)
        return text

    @property
    def df(self) -> "pd.DataFrame":
        """The scores as a table (see `json2df`)."""
        return json2df(json.loads(self.json), self.track_name)

    @property
    def schema(self) -> dict[str, Any]:
        """museval's JSON schema."""
        spec = find_spec("museval")  # importing museval takes seconds
        folder = Path(str(spec and spec.origin)).parent
        schema: dict[str, Any] = json.loads((folder / "musdb.schema.json").read_text(encoding="utf-8"))
        return schema

    def validate(self) -> None:
        """Raises `jsonschema.ValidationError` if the scores do not follow museval's schema."""
        from jsonschema import validate

        validate(self.scores, self.schema)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        Path(path).write_text(self.json, encoding="utf-8")

    def __repr__(self) -> str:
        """One line per target: each score, aggregated over frames."""
        return "".join(
            table_line(target["name"], partial(self._aggregated, target["frames"])) for target in self.scores["targets"]
        )

    def _aggregated(self, frames: Sequence[Mapping[str, Any]], metric: str) -> float:
        scores = [float(frame["metrics"][metric]) for frame in frames]
        aggregated: float = np.nan if np.isnan(scores).all() else self.frames_agg(scores)  # NumPy would warn of NaN
        return aggregated


def json2df(json_string: Mapping[str, Any], track_name: str) -> "pd.DataFrame":
    """A table of the parsed JSON of a song, with columns time (s), target, metric, score (dB), track."""
    import pandas as pd

    frames = [(target["name"], frame) for target in json_string["targets"] for frame in target["frames"]]
    rows = [
        (frame["time"], name, metric, frame["metrics"][metric], track_name)
        for metric in ("SDR", "SAR", "ISR", "SIR")
        for name, frame in frames
    ]
    index = [str(row) for row in range(len(rows))]
    return pd.DataFrame(rows, index=index, columns=["time", "target", "metric", "score", "track"])


def table_line(name: str, score: Callable[[str], float]) -> str:
    """A line of museval's printed tables: `score` maps SDR, SIR, ISR and SAR to dB."""
    cells = [f"{metric}:{score(metric):>8.3f}  " for metric in ("SDR", "SIR", "ISR", "SAR")]
    return f"{name:16}==> {''.join(cells)}\n"


def _quantised(score: float) -> Any:
    return np.nan if np.isinf(score) else Decimal(float(score)).quantize(STEP)
