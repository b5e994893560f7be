"""Read the scores of systems from museval's JSON files."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rnnsep.running.errors import UserError
from rnnsep.running.listing import listed

Row = tuple[
    str, str, int | None, float, float
]  # target, metric, frame (None: whole song), its length in s, score in dB


def read_systems(folders: Sequence[Path]) -> pd.DataFrame:
    """Scores of several systems (see `read_scores`). Each is named as in `system_names`.

    Raises `UserError` if a system has no target in common with the first one.
    """
    names = system_names(folders)
    tables = [read_scores(folder, name) for folder, name in names.items()]
    targets = [set(table["target"]) for table in tables]
    for folder, found in zip(names, targets, strict=True):
        if not found & targets[0]:
            raise UserError(
                f"{folder}: has no target in common with {next(iter(names))}: {', '.join(sorted(found))} here,"
                f" {', '.join(sorted(targets[0]))} there; print them in separate tables"
            )
    return pd.concat(tables, ignore_index=True)


def read_scores(folder: Path, system: str | None = None) -> pd.DataFrame:
    """Scores (dB) of one system in long form: system, track, target, metric, frame, duration (of the frame, s), score.

    Scores are read from museval's files, `folder`/test/<song>.json or `folder`/<song>.json. Scores of whole songs,
    such as uSDR, have no frame (NA). The system is called `system`, by default as its folder. Infinite scores become
    NaN, as in museval. Raises `UserError` for the first file that is damaged, is not in museval's format, or differs
    in targets or metrics from the first song.
    """
    paths = score_files(folder)
    songs = {path.stem: read_song(path) for path in paths}
    first = _form(songs[paths[0].stem])
    for path in paths:
        if (form := _form(songs[path.stem])) != first:
            hint = "score all songs with the same targets and metrics"
            raise UserError(f"{path}: has {form}, but {paths[0].name} has {first}; {hint}")
    return long_form(songs, folder.name if system is None else system)


def long_form(songs: Mapping[str, Sequence[Row]], system: str) -> pd.DataFrame:
    """The table of `read_scores` from the scores of songs by name."""
    rows = [(system, song, *row) for song, scores in songs.items() for row in scores]
    table = pd.DataFrame(rows, columns=["system", "track", "target", "metric", "frame", "duration", "score"])
    return table.astype({"frame": "Int64"})


def score_files(folder: Path) -> list[Path]:
    """The score files of a system, sorted by song. Raises `UserError` if there are none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give a folder of score files")
    paths = _json_files(folder / "test") or _json_files(folder)
    if not paths:
        inside = [path for path in listed(folder) if path.is_dir()]
        systems = [path for path in inside if _json_files(path / "test") or _json_files(path)]
        hint = f"; its folders do, give these: {' '.join(map(str, systems))}" if systems else ""
        raise UserError(f"{folder}: holds no scores (test/<song>.json or <song>.json){hint}")
    return paths


def _json_files(folder: Path) -> list[Path]:
    return sorted((path for path in listed(folder) if path.suffix == ".json"), key=lambda path: path.stem)


def system_names(folders: Sequence[Path]) -> dict[Path, str]:
    """The name of each system: its folder's name, or as many parts of its path as make the names unique."""
    folders = list({folder.resolve(): folder for folder in folders}.values())
    for depth in itertools.count(1):
        names = ["/".join(folder.resolve().parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return dict(zip(folders, names, strict=True))
    raise AssertionError


def read_song(path: Path) -> list[Row]:
    """The scores in one file of museval's. Raises `UserError` if it is damaged or of another format."""
    return parse_song(path.read_bytes(), path)


def parse_song(text: bytes | str, path: Path) -> list[Row]:
    """The scores in museval's JSON, by target and metric; `path` is for messages."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {' '.join(str(error).split())}; score the song again") from None
    where, rows, names = "the file", list[Row](), set[str]()
    try:
        for target in content["targets"]:
            where = "a target"
            name = target["name"]
            if type(name) is not str or name in names:
                raise ValueError
            names.add(name)
            where = name
            columns: dict[str, list[Row]] = {metric: [] for metric in target["frames"][0]["metrics"]}
            for index, frame in enumerate(target["frames"]):
                where = f"frame {index} of {name}"
                if not columns or frame["metrics"].keys() != columns.keys():
                    raise ValueError
                for metric, score in frame["metrics"].items():
                    columns[metric].append((name, metric, index, float(frame.get("duration", math.nan)), _score(score)))
            where = f"metrics of {name}"
            for metric, score in target.get("metrics", {}).items():
                if columns.setdefault(metric, []):
                    raise ValueError
                columns[metric].append((name, metric, None, math.nan, _score(score)))
            rows += itertools.chain(*columns.values())
    except (ValueError, TypeError, LookupError, AttributeError):
        raise UserError(f"{path}: {where}: not as in museval's files; score the song again") from None
    if not rows:
        raise UserError(f"{path}: holds no scores")
    return rows


def _score(score: Any) -> float:
    if type(score) not in (int, float):
        raise TypeError
    return float(score) if math.isfinite(score) else math.nan


def _form(rows: Sequence[Row]) -> str:
    """The targets and metrics of a song."""
    metrics: dict[str, set[str]] = {}
    for target, metric, *_ in rows:
        metrics.setdefault(target, set()).add(metric)
    return "; ".join(f"{target}: {', '.join(sorted(metrics[target]))}" for target in sorted(metrics))
