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

Scores = dict[str, dict[str, list[tuple[int | None, float]]]]  # by target and metric: frame (None: whole song) and dB


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
    """Scores (dB) of one system in long form, with the columns system, track, target, metric, frame, score.

    Scores are read from museval's files, `folder`/test/<song>.json or `folder`/<song>.json. Scores of whole songs,
    such as uSDR, have no frame (NA). The system is called `system`, by default as its folder. Infinite scores become
    NaN, as in museval. Raises `UserError` for the first file that is damaged, is not in museval's format, or differs
    in targets or metrics from the first song.
    """
    paths = score_files(folder)
    songs = {path.stem: read_song(path) for path in paths}
    first, *_ = songs.values()
    for path, scores in zip(paths, songs.values(), strict=True):
        if _form(scores) != _form(first):
            raise UserError(
                f"{path}: has {_form(scores)}, but {paths[0].name} has {_form(first)};"
                " score all songs with the same targets and metrics"
            )
    return long_form(songs, folder.name if system is None else system)


def long_form(songs: Mapping[str, Scores], system: str) -> pd.DataFrame:
    """The table of `read_scores` from the scores of songs by name."""
    rows = [
        (system, song, target, metric, frame, score)
        for song, scores in songs.items()
        for target, metrics in scores.items()
        for metric, values in metrics.items()
        for frame, score in values
    ]
    table = pd.DataFrame(rows, columns=["system", "track", "target", "metric", "frame", "score"])
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


def read_song(path: Path) -> Scores:
    """The scores in one file of museval's."""
    try:
        text = path.read_text(encoding="utf-8")
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {' '.join(str(error).split())}; score the song again") from None
    return parse_song(text, path)


def parse_song(text: str, path: Path) -> Scores:
    """The scores in museval's JSON; `path` is for messages."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {' '.join(str(error).split())}; score the song again") from None
    scores: Scores = {}
    for target in _list(content, "targets", path, "the file"):
        name = target.get("name") if isinstance(target, dict) else None
        if not isinstance(name, str) or not name:
            raise _foreign(path, "a target has no name")
        if name in scores:
            raise _foreign(path, f"has the target {name} twice")
        columns: dict[str, list[tuple[int | None, float]]] = {}
        scores[name] = columns
        for index, frame in enumerate(_list(target, "frames", path, name)):
            where = f"frame {index} of {name}"
            metrics = frame.get("metrics") if isinstance(frame, dict) else None
            if not isinstance(metrics, dict) or not metrics:
                raise _foreign(path, f"{where} has no metrics")
            if index == 0:
                columns.update({metric: [] for metric in metrics})
            if metrics.keys() != columns.keys():
                raise _foreign(path, f"{where} has other metrics than frame 0")
            for metric, score in metrics.items():
                columns[metric].append((index, _score(score, f"{metric} in {where}", path)))
        if not columns:
            raise _foreign(path, f"{name} has no frames")
        whole = target.get("metrics", {})
        if not isinstance(whole, dict) or whole.keys() & columns.keys():
            raise _foreign(path, f"the metrics of {name} must be a mapping, with other names than those of its frames")
        columns.update(
            {metric: [(None, _score(score, f"{metric} of {name}", path))] for metric, score in whole.items()}
        )
    if not scores:
        raise _foreign(path, "holds no targets")
    return scores


def _score(score: Any, where: str, path: Path) -> float:
    if type(score) not in (int, float):
        raise _foreign(path, f"{where} must be a number, not {score!r}")
    return float(score) if math.isfinite(score) else math.nan


def _list(content: Any, key: str, path: Path, where: str) -> list[Any]:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, list):
        raise _foreign(path, f"{where} has no list of {key}")
    return value


def _foreign(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}; this is not a score file of museval")


def _form(scores: Scores) -> str:
    return "; ".join(f"{target}: {', '.join(sorted(metrics))}" for target, metrics in sorted(scores.items()))
