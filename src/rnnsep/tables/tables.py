"""Scores to tables: museval's JSON files in, medians, intervals and tests out.

SiSEC's convention: the score of a song is the median over its frames, that of a system the median over songs,
NaN left out in both. Four pandas tables follow one another, each in long form:

- frames: system, track, target, metric, frame, score (dB)
- songs: system, track, target, metric, score (dB), valid_frames, nan_frames
- summary: system, target, metric, median, low, high, mean, q25, q75 (dB), songs, valid_frames, nan_frames
- tests: target, metric, system, other, songs, difference (dB), p, p_holm
"""

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from rnnsep.running import files
from rnnsep.running.errors import UserError

METRICS = ("SDR", "ISR", "SIR", "SAR")
TARGETS = ("vocals", "drums", "bass", "other", "accompaniment")
PUBLISHED = {"sisec2018": "SiSEC 2018"}
NB_RESAMPLES = 10_000
MISSING = "—"
MARK = "†"
TWICE = "Vocals scored in the two-source setting (about +0.2 dB), since the accompaniment was estimated too."
UNEQUAL = "Not all medians are over the same songs."


# Reading


def read_systems(folders: Sequence[Path]) -> pd.DataFrame:
    """Frames of several systems, each named by its folder, or by more of its path where two names are equal.

    Raises `UserError` where systems have no target in common.
    """
    folders = list({folder.resolve(): folder for folder in folders}.values())
    tables = [read_scores(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]
    targets = [set(table["target"]) for table in tables]
    for folder, those in zip(folders, targets, strict=True):
        if not those & targets[0]:
            raise UserError(
                f"{folder}: its targets ({', '.join(sorted(those))}) are none of those of {folders[0]}"
                f" ({', '.join(sorted(targets[0]))}); these do not stand in one table"
            )
    return pd.concat(tables, ignore_index=True)


def read_scores(folder: Path, system: str | None = None) -> pd.DataFrame:
    """Frames of one system from museval's files, `folder`/test/<song>.json or `folder`/<song>.json.

    Raises `UserError` for the first file that is not whole, not of museval's form, or whose targets and
    metrics are not those of the other songs.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    paths = score_files(folder / "test") or score_files(folder)
    if not paths:
        inner = sorted(path.parent for path in folder.glob("*/test") if score_files(path))
        hint = f"; it holds systems, give these: {' '.join(map(str, inner))}" if inner else ""
        raise UserError(f"{folder}: holds no scores (test/<song>.json or <song>.json){hint}")
    rows: list[tuple[str, str, str, int, float]] = []
    first: dict[str, set[str]] = {}
    for path in paths:
        scores = _read_song(path)
        form = {target: set(metrics) for target, metrics in scores.items()}
        first = first or form
        if form != first:
            raise UserError(f"{path}: has {_form(form)}, but {paths[0].name} has {_form(first)}")
        rows += [
            (path.stem, target, metric, frame, score)
            for target, metrics in scores.items()
            for metric, values in metrics.items()
            for frame, score in enumerate(values)
        ]
    table = pd.DataFrame(rows, columns=["track", "target", "metric", "frame", "score"])
    table.insert(0, "system", folder.name if system is None else system)
    return table


def score_files(folder: Path) -> list[Path]:
    """The score files that lie in a folder, by song."""
    paths = (path for path in folder.glob("*.json") if not path.name.startswith(files.PARTIAL))
    return sorted(paths, key=lambda path: path.stem)


def _names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell the folders apart."""
    for depth in itertools.count(1):
        names = ["/".join(folder.resolve().parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    raise AssertionError


def _read_song(path: Path) -> dict[str, dict[str, list[float]]]:
    """Scores as {target: {metric: one a frame}}; one that is not finite is NaN, as museval has it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {' '.join(str(error).split())}") from None
    scores: dict[str, dict[str, list[float]]] = {}
    for target in _list(content, "targets", path, "the file"):
        name = target.get("name") if isinstance(target, dict) else None
        if not isinstance(name, str) or not name:
            raise UserError(f"{path}: a target has no name; these are not museval's scores")
        if name in scores:
            raise UserError(f"{path}: has the target {name} twice")
        columns: dict[str, list[float]] = {}
        scores[name] = columns
        for index, frame in enumerate(_list(target, "frames", path, name)):
            where = f"frame {index} of {name}"
            metrics = frame.get("metrics") if isinstance(frame, dict) else None
            if not isinstance(metrics, dict) or not metrics:
                raise UserError(f"{path}: {where} has no metrics; these are not museval's scores")
            if index == 0:
                columns.update({metric: [] for metric in metrics})
            if metrics.keys() != columns.keys():
                raise UserError(f"{path}: {where} has other metrics than frame 0")
            for metric, score in metrics.items():
                if type(score) not in (int, float):
                    raise UserError(f"{path}: {metric} in {where} must be a number, not {score!r}")
                columns[metric].append(float(score) if math.isfinite(score) else math.nan)
        if not columns:
            raise UserError(f"{path}: {name} has no frames")
    if not scores:
        raise UserError(f"{path}: holds no targets")
    return scores


def _list(content: Any, key: str, path: Path, where: str) -> list[Any]:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, list):
        raise UserError(f"{path}: {where} has no list of {key}; these are not museval's scores")
    return value


def _form(form: dict[str, set[str]]) -> str:
    return "; ".join(f"{target}: {', '.join(sorted(metrics))}" for target, metrics in sorted(form.items()))


def published(name: str, taken: Iterable[str] = ()) -> pd.DataFrame:
    """Songs of the systems of a published campaign (`PUBLISHED`), for MUSDB18's test songs.

    The frames behind the medians are not at hand, so their numbers are missing. A system whose name is `taken` is
    called "<system> (<campaign>)".
    """
    if name not in PUBLISHED:
        raise UserError(f"no published scores are called {name}; there are {', '.join(PUBLISHED)}")
    with (resources.files("rnnsep.tables") / "data" / f"{name}.csv").open(encoding="utf-8") as file:
        wide = pd.read_csv(file).rename(columns={"method": "system"})
    clash = wide["system"].isin(list(taken))
    wide["system"] = wide["system"].mask(clash, wide["system"] + f" ({PUBLISHED[name]})")
    songs = wide.melt(["system", "track", "target"], list(METRICS), "metric", "score")
    songs["valid_frames"] = songs["nan_frames"] = pd.array([pd.NA] * len(songs), dtype="Int64")
    return songs


def beside(songs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The songs of published systems (`published`) after those of other systems."""
    return pd.concat([songs, published(name, taken=systems_of(songs))], ignore_index=True)


# Aggregation


def song_scores(frames: pd.DataFrame) -> pd.DataFrame:
    """The median over valid frames of each song, target and metric; missing where no frame is valid."""
    groups = frames.groupby(["system", "track", "target", "metric"], sort=False)["score"]
    songs = groups.agg(score="median", valid_frames="count", size="size").reset_index()
    songs["nan_frames"] = songs.pop("size") - songs["valid_frames"]
    return songs.astype({"valid_frames": "Int64", "nan_frames": "Int64"})


def summarise(songs: pd.DataFrame) -> pd.DataFrame:
    """Median, its interval (`interval`), mean and quartiles over songs, and what they were taken from.

    `songs` counts those with a valid score. Systems stand as they come in `songs`, targets and metrics in the
    order of `targets_of` and `metrics_of`.
    """
    groups = songs.groupby(["system", "target", "metric"], sort=False)
    scores = groups["score"]
    summary = pd.DataFrame({"median": scores.median()})
    summary[["low", "high"]] = [interval(values.to_numpy(float)) for _, values in scores]
    summary["mean"] = scores.mean()
    summary["q25"], summary["q75"] = scores.quantile(0.25), scores.quantile(0.75)
    summary["songs"] = scores.count()
    for count in ("valid_frames", "nan_frames"):
        summary[count] = groups[count].sum(min_count=1)
    return _in_order(summary, systems_of(songs), targets_of(songs), metrics_of(songs))


def _in_order(table: pd.DataFrame, *levels: Sequence[str]) -> pd.DataFrame:
    order = pd.MultiIndex.from_product(levels, names=table.index.names)
    return table.reindex(order[order.isin(table.index)]).reset_index()


def interval(scores: NDArray[np.float64]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the median over songs; missing for fewer than two scores."""
    valid = np.sort(scores[~np.isnan(scores)])
    if valid.size < 2:
        return math.nan, math.nan
    lower, upper = _middles(valid.size)
    low, high = np.quantile((valid[lower] + valid[upper]) / 2, [0.025, 0.975])
    return float(low), float(high)


@lru_cache(maxsize=16)
def _middles(nb_songs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks of the two middle songs of each bootstrap sample; they are one for an odd number of songs."""
    ranks = np.random.default_rng(0).integers(nb_songs, size=(NB_RESAMPLES, nb_songs))
    ranks.sort(axis=1)
    return ranks[:, (nb_songs - 1) // 2], ranks[:, nb_songs // 2]


def compare(songs: pd.DataFrame, of: Iterable[str] | None = None) -> pd.DataFrame:
    """Wilcoxon's signed-rank test (two-sided) of each pair of systems, over the songs that both have.

    `difference` is the median over songs of system minus other. `p_holm` is corrected after Holm over all
    pairs of one target and metric. `of` keeps the pairs with one of these systems and corrects for these alone.
    """
    chosen = set(songs["system"] if of is None else of)
    rows: list[tuple[object, ...]] = []
    for metric, target in itertools.product(metrics_of(songs), targets_of(songs)):
        those = songs[(songs["metric"] == metric) & (songs["target"] == target)]
        scores = those.pivot(index="track", columns="system", values="score")
        pairs = [pair for pair in itertools.combinations(systems_of(those), 2) if chosen & set(pair)]
        differences = {(a, b): (scores[a] - scores[b]).dropna().to_numpy(float) for a, b in pairs}
        differences = {pair: values for pair, values in differences.items() if values.size}
        p = np.array([_wilcoxon(values) for values in differences.values()])
        rows += [
            (target, metric, *pair, values.size, np.median(values), p_one, p_corrected)
            for (pair, values), p_one, p_corrected in zip(differences.items(), p, holm(p), strict=True)
        ]
    columns = ["target", "metric", "system", "other", "songs", "difference", "p", "p_holm"]
    return pd.DataFrame(rows, columns=columns)


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values corrected for their number after Holm (1979)."""
    order = np.argsort(p)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return corrected


def systems_of(table: pd.DataFrame) -> list[str]:
    """Systems of a table as they come."""
    return list(dict.fromkeys(table["system"]))


def targets_of(table: pd.DataFrame) -> list[str]:
    """Targets of a table in the field's order: those of MUSDB18, then others as they come."""
    return _ordered(table["target"], TARGETS)


def metrics_of(table: pd.DataFrame) -> list[str]:
    """Metrics of a table in museval's order, then others as they come."""
    return _ordered(table["metric"], METRICS)


def _ordered(values: Iterable[str], known: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(values))
    return [value for value in known if value in found] + [value for value in found if value not in known]


# Writing


@dataclass(frozen=True)
class Sheet:
    """A table of text with its heading and notes; the first `nb_labels` columns are names, others figures."""

    heading: str
    cells: pd.DataFrame
    nb_labels: int
    notes: tuple[str, ...] = ()


def summary_sheets(summary: pd.DataFrame, intervals: bool = False, targets: Sequence[str] | None = None) -> list[Sheet]:
    """A sheet for each metric: systems down, targets (all by default) across, then the number of songs."""
    targets = targets_of(summary) if targets is None else targets
    marked = scored_twice(summary) if "vocals" in targets else []
    sheets = []
    for metric in metrics_of(summary):
        those = summary[(summary["metric"] == metric) & summary["target"].isin(targets)]
        figures = those["median"].map(number)
        if intervals:
            figures += [
                "" if math.isnan(low) else f" ({number(low)} to {number(high)})"
                for low, high in zip(those["low"], those["high"], strict=True)
            ]
        cells = those.assign(figures=figures).pivot(index="system", columns="target", values="figures")
        cells = cells.reindex(index=systems_of(those), columns=list(targets)).fillna(MISSING)
        cells["songs"] = those.groupby("system")["songs"].max().astype(str)
        names = [f"{system} {MARK}" if system in marked else system for system in cells.index]
        cells.insert(0, "system", names)
        what = ", 95 % bootstrap interval" if intervals else ""
        heading = f"{metric} (dB): median over songs of the median over frames{what}"
        notes = [f"{MARK} {TWICE}"] * bool(marked) + [UNEQUAL] * (cells["songs"].nunique() > 1)
        sheets.append(Sheet(heading, cells, 1, tuple(notes)))
    return sheets


def detail_sheets(summary: pd.DataFrame) -> list[Sheet]:
    """A sheet for each metric with mean and quartiles over songs and the number of frames."""
    sheets = []
    for metric in metrics_of(summary):
        cells = summary.loc[summary["metric"] == metric, ["target", "system"]]
        for column, name in (("mean", "mean"), ("q25", "25 %"), ("median", "50 %"), ("q75", "75 %")):
            cells[name] = summary[column].map(number)
        for column in ("songs", "valid_frames", "nan_frames"):
            numbers = summary[column].astype(object)
            cells[column.replace("_", " ").replace("nan", "NaN")] = numbers.where(numbers.notna(), MISSING)
        order = cells["target"].map(targets_of(summary).index).sort_values(kind="stable").index
        sheets.append(Sheet(f"{metric} (dB): mean and quartiles over songs", cells.loc[order].astype(str), 2))
    return sheets


def pair_sheets(tests: pd.DataFrame) -> list[Sheet]:
    """A sheet of pairs for each metric."""
    sheets = []
    for metric in metrics_of(tests):
        cells = tests[tests["metric"] == metric].drop(columns="metric")
        cells["difference"] = cells["difference"].map(number)
        for p in ("p", "p_holm"):
            cells[p] = ["<0.0001" if value < 1e-4 else f"{value:.2g}" for value in cells[p]]
        heading = (
            f"{metric}: median over songs of system minus other (dB), Wilcoxon's signed-rank test,"
            " p corrected after Holm for each target"
        )
        sheets.append(Sheet(heading, cells.astype(str).rename(columns={"p_holm": "p (Holm)"}), 3))
    return sheets


def scored_twice(summary: pd.DataFrame) -> list[str]:
    """Systems whose vocals museval scored against the accompaniment, where others stand beside them."""
    with_vocals = systems_of(summary[summary["target"] == "vocals"])
    with_accompaniment = set(summary.loc[summary["target"] == "accompaniment", "system"])
    marked = [system for system in with_vocals if system in with_accompaniment]
    return marked if len(marked) < len(with_vocals) else []


def number(value: float) -> str:
    """Two decimals, a rounded zero without its sign."""
    if math.isnan(value):
        return MISSING
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def markdown(sheets: Sequence[Sheet]) -> str:
    """Markdown tables, padded so that they read well on a terminal too."""
    parts = []
    for sheet in sheets:
        columns = []
        for index, name in enumerate(sheet.cells):
            cells = [_escape(cell, MARKDOWN) for cell in (str(name), *sheet.cells[name])]
            width = max(3, *map(len, cells))
            left = index < sheet.nb_labels
            cells.insert(1, "-" * width if left else "-" * (width - 1) + ":")
            columns.append([cell.ljust(width) if left else cell.rjust(width) for cell in cells])
        table = "\n".join(f"| {' | '.join(row)} |" for row in zip(*columns, strict=True))
        parts.append("\n\n".join([sheet.heading, table, *sheet.notes]))
    return "\n\n".join(parts) + "\n"


def latex(sheets: Sequence[Sheet]) -> str:
    """LaTeX tabulars, for a document that has \\usepackage{booktabs}."""
    parts = []
    for sheet in sheets:
        columns = []
        for index, name in enumerate(sheet.cells):
            escapes = LATEX if index < sheet.nb_labels else LATEX | {"-": "$-$"}
            columns.append([_escape(cell, escapes) for cell in (str(name), *sheet.cells[name])])
        header, *rows = (" & ".join(row) + r" \\" for row in zip(*columns, strict=True))
        form = "l" * sheet.nb_labels + "r" * (len(columns) - sheet.nb_labels)
        parts.append("\n".join([
            f"% {sheet.heading}",
            f"\\begin{{tabular}}{{{form}}}",
            "\\toprule",
            header,
            "\\midrule",
            *rows,
            "\\bottomrule",
            "\\end{tabular}",
            *(f"\\par {_escape(note, LATEX)}" for note in sheet.notes),
        ]))  # fmt: skip
    return "\n\n".join(parts) + "\n"


MARKDOWN = {"\\": "\\\\", "|": "\\|"}
LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "<": r"\textless{}", ">": r"\textgreater{}", MARK: r"$^\dagger$", MISSING: r"\textemdash{}",
}  # fmt: skip


def _escape(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)


def csv(table: pd.DataFrame) -> str:
    """CSV with scores to five decimals, as museval stores them, and p-values to five digits."""
    table = table.copy()
    for column in table.select_dtypes("float"):
        form = "{:.4e}" if column in ("p", "p_holm") else "{:.5f}"
        table[column] = [None if math.isnan(value) else form.format(value) for value in table[column]]
    return table.to_csv(index=False, lineterminator="\n")


# The stage


def aggregate(scores: Sequence[Path], tables: Path, metrics: Path) -> pd.DataFrame:
    """Tables and metrics of the systems whose scores lie in the folders `scores`; the summary.

    Writes into the folder `tables`: songs.csv (a row for each system, song and target), summary.csv,
    summary.md, summary.tex, tests.csv and tests.md; and into `metrics` the first system's `system_metrics`.
    """
    songs = song_scores(frames := read_systems(scores))
    summary, tests = summarise(songs), compare(songs)
    files.write_text(tables / "songs.csv", csv(by_song(songs)))
    files.write_text(tables / "summary.csv", csv(summary))
    sheets = summary_sheets(summary, intervals=True) + detail_sheets(summary)
    files.write_text(tables / "summary.md", markdown(sheets))
    files.write_text(tables / "summary.tex", latex(summary_sheets(summary)))
    files.write_text(tables / "tests.csv", csv(tests))
    files.write_text(tables / "tests.md", markdown(pair_sheets(tests)))
    files.write_json(metrics, system_metrics(frames, songs, str(songs["system"].iloc[0])))
    return summary


def by_song(songs: pd.DataFrame) -> pd.DataFrame:
    """A row for each system, song and target, the metrics in columns, with the frames of the first metric."""
    keys, columns = ["system", "track", "target"], metrics_of(songs)
    scores = songs.pivot(index=keys, columns="metric", values="score")[columns]
    first = songs[songs["metric"] == columns[0]].set_index(keys)[["valid_frames", "nan_frames"]]
    tracks = sorted(songs["track"].unique())
    return _in_order(scores.join(first), systems_of(songs), tracks, targets_of(songs))


def system_metrics(frames: pd.DataFrame, songs: pd.DataFrame, system: str) -> dict[str, Any]:
    """What `dvc metrics` shows of a system: {metric: {target: median over songs}}, and beside it

    - SDR_over_MIX, SDR_below_IRM1: median over songs of the distance to these systems on the same song, where
      they are among `songs`;
    - songs, and frames, valid and NaN: a frame is one target at one time, valid if all its metrics are.

    Rounded to five decimals; what is missing is null.
    """
    own = songs[songs["system"] == system]
    content: dict[str, Any] = {metric: _medians(own[own["metric"] == metric]) for metric in metrics_of(own)}
    for name, other, sign in (("SDR_over_MIX", "MIX", 1), ("SDR_below_IRM1", "IRM1", -1)):
        theirs = songs[songs["system"] == other]
        if other != system and len(theirs):
            pair = own.merge(theirs, on=["track", "target", "metric"], suffixes=("", "_other"))
            pair["score"] = sign * (pair["score"] - pair["score_other"])
            content[name] = _medians(pair[pair["metric"] == "SDR"])
    those = frames[frames["system"] == system]
    nan = those["score"].isna().groupby([those["track"], those["target"], those["frame"]]).any()
    content["songs"] = int(own["track"].nunique())
    content["frames"] = {"valid": int((~nan).sum()), "nan": int(nan.sum())}
    return content


def _medians(songs: pd.DataFrame) -> dict[str, float | None]:
    medians = songs.groupby("target")["score"].median()
    return {
        target: None if math.isnan(medians[target]) else round(float(medians[target]), 5)
        for target in targets_of(songs)
    }
