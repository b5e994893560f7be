"""GNSDR, GSIR and GSAR: the scores of a whole corpus that papers on MIR-1K report.

Each is the mean over songs of NSDR, SIR or SAR by BSS Eval v3, weighted by the songs' lengths (C.-L. Hsu and J.-S. R.
Jang, IEEE Transactions on Audio, Speech and Language Processing 18(2), 2010).
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rnnsep.tables import reading, sheets

GLOBAL = {"NSDR": "GNSDR", "SIR": "GSIR", "SAR": "GSAR"}


def overall_table(folders: Sequence[Path], shared_array: bool) -> pd.DataFrame:
    """A row per system and target with the columns system, target, GNSDR, GSIR and GSAR (dB).

    Empty if the systems were scored by BSSEval v4, which has no NSDR. Songs with a missing score are left out of that
    mean. With `shared_array` all three are their sum: in andabi/music-source-separation they are three names for one
    array, to which all scores are added.
    """
    rows = []
    for folder, system in reading.system_names(folders).items():
        for target, values in _means(folder).items():
            if shared_array:
                values = dict.fromkeys(values, sum(values.values()))
            rows.append({"system": system, "target": target, **values})
    table = pd.DataFrame(rows, columns=["system", "target", *GLOBAL.values()])
    return table.astype(dict.fromkeys(GLOBAL.values(), float))


def overall_sheet(table: pd.DataFrame) -> sheets.Sheet:
    """The table of `overall_table` as text."""
    cells = table.assign(**{name: table[name].map(sheets.number) for name in GLOBAL.values()})
    return sheets.Sheet("BSS Eval v3 (dB): mean over songs, weighted by their length", cells, 2)


def _means(folder: Path) -> dict[str, dict[str, float]]:
    """{target: {GNSDR, GSIR, GSAR}} of the system in `folder`, without the targets that have no NSDR."""
    scores: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for path in reading.score_files(folder):
        for target in json.loads(path.read_text(encoding="utf-8"))["targets"]:
            for frame in target["frames"]:
                if "NSDR" not in frame["metrics"]:
                    continue
                columns = scores.setdefault(target["name"], {name: [] for name in GLOBAL.values()})
                for metric, name in GLOBAL.items():
                    columns[name].append((frame["duration"], frame["metrics"][metric]))
    return {target: {name: _mean(pairs) for name, pairs in columns.items()} for target, columns in scores.items()}


def _mean(pairs: Sequence[tuple[float, float]]) -> float:
    """Weighted mean of (weight, score) pairs with a finite score; NaN if there is none."""
    valid = [(weight, score) for weight, score in pairs if math.isfinite(score)]
    total = sum(weight for weight, _ in valid)
    return sum(weight * score for weight, score in valid) / total if valid else math.nan
