"""The page of a run, reports/index.html: one self-contained file."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from rnnsep.report import figures, wording
from rnnsep.report.examples import examples
from rnnsep.report.wording import SeparationShown
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import Corpus, EvaluationParams
from rnnsep.tables import published, sheets, statistics


def write_page(
    page: Path,
    corpus: Path,
    estimates: Path,
    scores: Path,
    models: Path,
    separation: SeparationShown,
    evaluation: EvaluationParams,
) -> None:
    """Write the page of a run to the file `page`.

    Reads corpus.json and the scored songs of `corpus`, `estimates`/<song>/<source>.wav, the tables of `aggregate` in
    the folder `scores`, and history.tsv and model.json of `models`. The page is about the first system of the tables.
    Raises `UserError` if a file is missing.
    """
    songs, summary, pairs = (_read(scores / f"{name}.csv") for name in ("songs", "summary", "tests"))
    history = _read(models / "history.tsv", "\t")
    model = json.loads(_text(models / "model.json"))
    about = Corpus.read(corpus)
    means = _read(scores / "overall.csv") if (scores / "overall.csv").exists() else None
    system, metrics = str(summary["system"].iloc[0]), statistics.metrics_of(summary)
    compared = about.name.startswith("musdb18") and evaluation.version == "v4" and evaluation.split == "test"
    own = songs[songs["system"] == system]
    ranking = own.groupby("track")[metrics[0]].mean()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rnnsep.report", "."), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": wording.number, "typographic": wording.typographic}
    text = environment.get_template("page.html.j2").render(
        corpus=wording.CORPORA.get(about.name, about.name),
        headline=wording.headline(songs, summary, means, evaluation.split),
        synthetic=about.name == "synthetic",
        facts=wording.facts(about, model, history, separation, evaluation),
        settings=wording.settings(model),
        sheets=score_sheets(summary, means, compared),
        meaning=wording.meanings(metrics, evaluation.version),
        whole=evaluation.version != "v4",
        compared=compared,
        excerpts=about.name == "musdb18-7s",
        split=wording.SPLITS.get(evaluation.split, evaluation.split),
        boxes=boxes(songs, metrics, statistics.targets_of(summary)),
        curves=figures.learning_curves(history, model.get("provenance", {}).get("best_epoch")),
        songs=song_rows(songs, metrics),
        metrics=metrics,
        references=[name for name in ("MIX", "IRM1") if name != system and name in set(songs["system"])],
        pairs=list(zip(statistics.metrics_of(pairs), sheets.pair_sheets(pairs), strict=True)),
        least=least(pairs),
        noise=int(figures.NOISE),
        system=system,
        examples=examples(about, estimates, ranking, evaluation.split),
    )
    files.write_text(page, text)


def _read(path: Path, separator: str = ",") -> pd.DataFrame:
    types: dict[str, Any] = dict.fromkeys(("system", "other", "track", "target", "metric"), str)
    types |= dict.fromkeys(("valid_frames", "nan_frames"), "Int64")
    return pd.read_csv(io.StringIO(_text(path)), sep=separator, dtype=types, keep_default_na=False, na_values=[""])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; dvc repro creates it") from None


def score_sheets(summary: pd.DataFrame, means: pd.DataFrame | None, compared: bool) -> list[sheets.Sheet]:
    """The sheet of `means`, if there are any, then those of the summary, with published systems if `compared`.

    The number of songs is left out if all systems have the same.
    """
    targets = statistics.targets_of(summary)
    if compared:
        others = published.published_songs("sisec2018", taken=statistics.systems_of(summary))
        summary = pd.concat([summary, statistics.summarise(others)], ignore_index=True)
    found = [] if means is None else [sheets.overall_sheet(means)]
    medians = sheets.summary_sheets(summary, True, targets)
    for metric, sheet in zip(statistics.metrics_of(summary), medians, strict=True):
        cells = sheet.cells.drop(columns="songs") if sheet.cells["songs"].nunique() == 1 else sheet.cells
        noisy = (summary.loc[summary["metric"] == metric, "median"].abs() > figures.NOISE).any()
        notes = (*sheet.notes, f"Scores beyond {figures.NOISE:g} dB are rounding noise.") if noisy else sheet.notes
        found.append(replace(sheet, cells=cells, notes=notes))
    return found


def least(pairs: pd.DataFrame) -> float | None:
    """The smallest possible p of the Wilcoxon test over so few songs, or None if it is at most 0.05."""
    p = 2.0 ** (1 - int(pairs["songs"].max())) if len(pairs) else 0.0
    return p if p > 0.05 else None


def boxes(songs: pd.DataFrame, metrics: list[str], targets: list[str]) -> list[tuple[str, list[str]]]:
    """Box plots of each metric as SVG, one per target, on the same scale."""
    systems, plots = statistics.systems_of(songs), []
    for metric in metrics:
        scores = songs.loc[songs[metric].abs() < figures.NOISE, metric]
        if len(scores):
            low, high = math.floor(scores.min()), math.ceil(scores.max())
            extent = (float(low), float(max(high, low + 1)))
            plots.append((metric, [figures.box_plot(songs, metric, target, systems, extent) for target in targets]))
    return plots


def song_rows(songs: pd.DataFrame, metrics: list[str]) -> list[dict[str, Any]]:
    """A row per song and target of the first system, with its distances (dB) to MIX and IRM1."""
    system = str(songs["system"].iloc[0])
    own = songs[songs["system"] == system]
    for other in ("MIX", "IRM1"):
        gaps = wording.distance(songs, system, other, metrics[0]).rename(columns={"distance": other})
        own = own.merge(gaps, "left", ["track", "target"])
    return [
        {
            "track": row["track"],
            "target": row["target"],
            "scores": [row[metric] for metric in metrics],
            "gaps": {other: row[other] for other in ("MIX", "IRM1")},
            "frames": [int(row["valid_frames"]), int(row["nan_frames"])],
        }
        for row in own.replace({np.nan: math.nan}).to_dict("records")
    ]
