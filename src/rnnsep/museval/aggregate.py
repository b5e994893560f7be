"""Scores of many songs and systems, with the names and arguments of `museval.aggregate`."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from rnnsep.running import packages
from rnnsep.running.errors import UserError
from rnnsep.scoring import song_scores
from rnnsep.tables.published import published_songs

Aggregation = Literal["median", "mean"]


class TrackStore:
    """The scores of a song's targets, frame by frame: museval's class of this name, with the same JSON to the byte.

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
        self.scores: dict[str, Any] = {"targets": [], "museval_version": song_scores.VERSION}

    def add_target(self, target_name: str, values: Mapping[str, Sequence[float]]) -> None:
        """Add a target. `values` maps SDR, SIR, SAR and ISR to one score in dB per frame."""
        frames = song_scores.stored(values, self.win, self.hop)
        self.scores["targets"].append({"name": target_name, "frames": frames})

    @property
    def json(self) -> str:
        """The scores as indented JSON, where NaN is a bare `NaN`."""
        return song_scores.text(self.scores)

    @property
    def df(self) -> pd.DataFrame:
        """The scores as a table (see `json2df`)."""
        return json2df(json.loads(self.json), self.track_name)

    @property
    def schema(self) -> dict[str, Any]:
        """museval's JSON schema, which is read from the installed museval."""
        packages.require("museval")
        folder = Path(str(find_spec("museval").origin)).parent  # type: ignore[union-attr]  # importing takes seconds
        schema: dict[str, Any] = json.loads((folder / "musdb.schema.json").read_text(encoding="utf-8"))
        return schema

    def validate(self) -> None:
        """Raises `jsonschema.ValidationError` if the scores do not follow museval's schema."""
        packages.require("museval", "jsonschema")
        from jsonschema import validate

        validate(self.scores, self.schema)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        Path(path).write_text(self.json, encoding="utf-8")

    def __repr__(self) -> str:
        """One line per target: each score, aggregated over frames."""
        return "".join(
            _line(target["name"], partial(self._aggregated, target["frames"])) for target in self.scores["targets"]
        )

    def _aggregated(self, frames: Sequence[Mapping[str, Any]], metric: str) -> float:
        scores = [float(frame["metrics"][metric]) for frame in frames]
        aggregated: float = np.nan if np.isnan(scores).all() else self.frames_agg(scores)  # NumPy would warn of NaN
        return aggregated


def json2df(json_string: Mapping[str, Any], track_name: str) -> pd.DataFrame:
    """A table of the parsed JSON of a song, with columns time (s), target, metric, score (dB), track."""
    rows = [
        (frame["time"], target["name"], metric, frame["metrics"][metric], track_name)
        for metric in ("SDR", "SAR", "ISR", "SIR")
        for target in json_string["targets"]
        for frame in target["frames"]
    ]
    index = [str(row) for row in range(len(rows))]
    return pd.DataFrame(rows, index=index, columns=["time", "target", "metric", "score", "track"])


def _line(name: str, score: Callable[[str], float]) -> str:
    """A line of museval's printed tables: `score` maps SDR, SIR, ISR and SAR to dB."""
    cells = [f"{metric}:{score(metric):>8.3f}  " for metric in ("SDR", "SIR", "ISR", "SAR")]
    return f"{name:16}==> {''.join(cells)}\n"


class _Scores:
    """A table `df` of scores, with columns time (s), target, metric, score (dB), track.

    `frames_agg` and `tracks_agg` are "median" or "mean": how frames become the score of a song, and songs that of a
    system. NaN is left out.
    """

    keys: tuple[str, ...] = ("target", "metric")

    def __init__(self, frames_agg: Aggregation = "median", tracks_agg: Aggregation = "median"):
        for name in (frames_agg, tracks_agg):
            if name not in ("median", "mean"):
                raise ValueError(f"aggregation {name!r} must be median or mean")
        self.df = pd.DataFrame()
        self.frames_agg, self.tracks_agg = frames_agg, tracks_agg

    def agg_frames_scores(self) -> "pd.Series[float]":
        """Scores of songs, indexed by (method,) track, target, metric."""
        by = [*self.keys[:-2], "track", *self.keys[-2:]]
        scores: pd.Series[float] = self.df.groupby(by)["score"].agg(self.frames_agg)
        return scores

    def agg_frames_tracks_scores(self) -> "pd.Series[float]":
        """Scores of systems, indexed by (method,) target, metric."""
        songs = self.agg_frames_scores().reset_index()
        scores: pd.Series[float] = songs.groupby(list(self.keys))["score"].agg(self.tracks_agg)
        return scores

    def load(self, path: str | Path) -> None:
        """Replace `df` by a saved one. museval's own files are pickles, which can run any code: a UserError."""
        try:
            self.df = pd.read_csv(path)
        except UnicodeDecodeError:
            raise UserError(f"{path}: a pickle of museval; read it with museval and write it with to_csv") from None

    def save(self, path: str | Path) -> None:
        """Write `df` as CSV."""
        self.df.to_csv(path, index=False)

    def _append(self, table: pd.DataFrame) -> None:
        self.df = pd.concat([self.df, table], ignore_index=True)


class EvalStore(_Scores):
    """The scores of a system's songs."""

    def add_track(self, track: TrackStore | pd.DataFrame) -> None:
        """Add the scores of a song."""
        self._append(track if isinstance(track, pd.DataFrame) else track.df)

    def add_eval_dir(self, path: str | Path) -> None:
        """Add `path`/test/**/<song>.json, in the order of names. A folder that does not exist adds nothing."""
        for file in sorted(Path(path).glob("test/**/*.json")):
            self.add_track(json2df(json.loads(file.read_text(encoding="utf-8")), file.stem))

    def __repr__(self) -> str:
        """One line per target: its scores, aggregated over frames and songs."""
        scores = self.agg_frames_tracks_scores()
        lines = [_line(target, scores[target].__getitem__) for target in self.df["target"].unique()]
        return f"Aggrated Scores ({self.frames_agg} over frames, {self.tracks_agg} over tracks)\n{''.join(lines)}"


class MethodStore(_Scores):
    """The scores of several systems; `df` has the column method in addition."""

    keys = ("method", "target", "metric")

    def add_evalstore(self, method: EvalStore, name: str) -> None:
        """Add a system's scores under a name."""
        self._append(method.df.assign(method=name))

    def add_eval_dir(self, path: str | Path) -> None:
        """Add a system's files (see `EvalStore.add_eval_dir`), under the name of the folder."""
        store = EvalStore()
        store.add_eval_dir(path)
        self.add_evalstore(store, Path(path).stem)

    def add_sisec18(self) -> None:
        """Add the systems of SiSEC 2018 on the test songs of MUSDB18: one score per song, the median over its frames.

        They ship with rnnsep, so nothing is downloaded. `time` is 0.
        """
        songs = published_songs("sisec2018").rename(columns={"system": "method"})
        self._append(songs[["target", "metric", "score", "track", "method"]].assign(time=0.0))
