"""The tables and metrics of a run."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rnnsep.running import files
from rnnsep.tables import reading, sheets, statistics


def write_tables(target: Path, metrics: Path, *scores: Path) -> None:
    """Write and print the tables of the systems whose scores are in the folders `scores` (see `aggregate`)."""
    print(sheets.markdown(aggregate(scores, target, metrics)), end="")


def aggregate(scores: Sequence[Path], tables: Path, metrics: Path) -> list[sheets.Sheet]:
    """Write the tables of several systems to the folder `tables` and the first system's metrics to the file `metrics`.

    The systems' scores are read from the folders `scores`. The tables are songs.csv (a row per system, song and
    target), summary.csv, summary.md, summary.tex, tests.csv and tests.md, and for BSS Eval v3 overall.csv and
    overall.md. `metrics` holds `system_metrics`. Returns the sheets with the result.
    """
    frames = reading.read_systems(scores)
    songs = statistics.song_medians(frames)
    summary, tests = statistics.summarise(songs), statistics.compare(songs)
    medians = sheets.summary_sheets(summary, intervals=True) + sheets.detail_sheets(summary)
    files.write_text(tables / "songs.csv", sheets.csv(statistics.by_song(songs)))
    files.write_text(tables / "summary.csv", sheets.csv(summary))
    files.write_text(tables / "summary.md", sheets.markdown(medians))
    files.write_text(tables / "summary.tex", sheets.latex(sheets.summary_sheets(summary)))
    files.write_text(tables / "tests.csv", sheets.csv(tests))
    files.write_text(tables / "tests.md", sheets.markdown(sheets.pair_sheets(tests)))
    means = statistics.overall(frames)
    if not means.empty:
        files.write_text(tables / "overall.csv", sheets.csv(means))
        files.write_text(tables / "overall.md", sheets.markdown([sheets.overall_sheet(means)]))
    files.write_json(metrics, system_metrics(summary, means, str(summary["system"].iloc[0])))
    return sheets.summary_sheets(summary) if means.empty else [sheets.overall_sheet(means)]


def system_metrics(summary: pd.DataFrame, means: pd.DataFrame, system: str) -> dict[str, dict[str, float | None]]:
    """What `dvc metrics` and `dvc exp show` list of a system, in dB with five decimals; a missing score is None.

    {"SDR": {"mean": mean over targets of the medians over songs, <target>: median over songs}},
    {"uSDR": {"mean": mean over targets of the means over songs}}, and {"GNSDR" | "GSIR" | "GSAR": {<target>: score}}
    if there are `means` (see `statistics.overall`).
    """
    metric = statistics.metrics_of(summary)[0]
    of_songs = summary[summary["system"] == system].set_index("target")
    medians = of_songs.loc[of_songs["metric"] == metric, "median"]
    content = {metric: _rounded({"mean": medians.mean(skipna=False), **medians})}
    usdr = of_songs.loc[of_songs["metric"] == "uSDR", "mean"]
    if len(usdr):
        content["uSDR"] = _rounded({"mean": usdr.mean(skipna=False)})
    of_corpus = means[means["system"] == system].set_index("target")
    for name in statistics.GLOBAL.values() if len(of_corpus) else ():
        content[name] = _rounded(of_corpus[name].to_dict())
    return content


def _rounded(scores: dict[Any, float]) -> dict[str, float | None]:
    return {str(target): None if math.isnan(score) else round(float(score), 5) for target, score in scores.items()}
