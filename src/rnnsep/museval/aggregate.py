"""Scores of many songs and systems, with the names and arguments of `museval.aggregate`."""

import json
from pathlib import Path
from typing import Literal

import pandas as pd

from rnnsep.running.errors import UserError
from rnnsep.scoring.track_store import TrackStore, json2df, table_line
from rnnsep.tables.published import published_songs

__all__ = ["EvalStore", "MethodStore", "TrackStore", "json2df"]

Aggregation = Literal["median", "mean"]


class _Scores:
    """
    A table `df` of scores, with columns time (s), target, metric, score (dB), track.

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
        lines = [table_line(target, scores[target].__getitem__) for target in self.df["target"].unique()]
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
        """
        Add the systems of SiSEC 2018 on the test songs of MUSDB18: one score per song, the median over its frames.

        They ship with rnnsep, so nothing is downloaded. `time` is 0.
        """
        songs = published_songs("sisec2018").rename(columns={"system": "method"})
        self._append(songs[["target", "metric", "score", "track", "method"]].assign(time=0.0))
