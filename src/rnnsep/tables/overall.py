"""Scores of a whole corpus as the papers on MIR-1K give them: GNSDR, GSIR and GSAR.

Each is the mean over songs of NSDR, SIR or SAR by BSS Eval v3, weighted by the songs' lengths (C.-L. Hsu, J.-S. R.
Jang, IEEE TASLP 18(2), 2010). Systems with other scores, such as those of BSSEval v4, have none of them.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rnnsep.running import files
from rnnsep.tables import tables

GLOBAL = {"NSDR": "GNSDR", "SIR": "GSIR", "SAR": "GSAR"}


@dataclass(frozen=True)
class OverallParams:
    """What the table of these scores reads of section `evaluation`."""

    shared_array: bool


def overall(folder: Path, params: OverallParams) -> dict[str, dict[str, float | None]]:
    """{target: {GNSDR, GSIR, GSAR}} in dB of the system with scores in `folder`, rounded to five decimals.

    Songs with a missing score are left out of that mean; a mean over none is None. Targets without NSDR are left out.
    With `shared_array` all three are their sum, as andabi/music-source-separation prints them, whose three names stand
    for one array, to which all scores are added.
    """
    scores: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for path in tables.score_files(folder / "test") or tables.score_files(folder):
        for target in json.loads(path.read_text(encoding="utf-8"))["targets"]:
            for frame in target["frames"]:
                if "NSDR" not in frame["metrics"]:
                    continue
                columns = scores.setdefault(target["name"], {name: [] for name in GLOBAL.values()})
                for metric, name in GLOBAL.items():
                    columns[name].append((frame["duration"], frame["metrics"][metric]))
    means = {target: {name: _mean(pairs) for name, pairs in columns.items()} for target, columns in scores.items()}
    if params.shared_array:
        means = {target: dict.fromkeys(values, sum(values.values())) for target, values in means.items()}
    return {
        target: {name: None if math.isnan(value) else round(value, 5) for name, value in values.items()}
        for target, values in means.items()
    }


def _mean(pairs: Sequence[tuple[float, float]]) -> float:
    """Mean of the finite scores of (weight, score) pairs."""
    valid = [(weight, score) for weight, score in pairs if math.isfinite(score)]
    total = sum(weight for weight, _ in valid)
    return sum(weight * score for weight, score in valid) / total if valid else math.nan


def write_overall(folders: Sequence[Path], folder: Path, metrics: Path, params: OverallParams) -> pd.DataFrame:
    """Write overall.csv and overall.md of several systems to `folder`, and add the first one's scores to `metrics`.

    Nothing is written where the systems have no such scores. Returns the table.
    """
    systems = {path.name: overall(path, params) for path in folders}
    rows = [
        {"system": system, "target": target, **values}
        for system, targets in systems.items()
        for target, values in targets.items()
    ]
    table = pd.DataFrame(rows, columns=["system", "target", *GLOBAL.values()])
    if rows:
        table = table.astype(dict.fromkeys(GLOBAL.values(), float))
        files.write_text(folder / "overall.csv", tables.csv(table))
        files.write_text(folder / "overall.md", tables.markdown([sheet(table)]))
        content = json.loads(metrics.read_text(encoding="utf-8"))
        first = systems[folders[0].name]
        content |= {name: {target: values[name] for target, values in first.items()} for name in GLOBAL.values()}
        files.write_json(metrics, content)
    return table


def sheet(table: pd.DataFrame) -> tables.Sheet:
    """The table as text."""
    cells = table.assign(**{name: table[name].map(tables.number) for name in GLOBAL.values()})
    return tables.Sheet("BSS Eval v3 (dB): means over songs, weighted by their length", cells, 2)
