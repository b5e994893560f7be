"""GNSDR, GSIR and GSAR: the scores of a whole corpus that papers on MIR-1K report.

Each is the mean over songs of NSDR, SIR or SAR by BSS Eval v3, weighted by the songs' lengths (C.-L. Hsu and J.-S. R.
Jang, IEEE Transactions on Audio, Speech and Language Processing 18(2), 2010).
"""

import pandas as pd

from rnnsep.tables import sheets, statistics

GLOBAL = {"NSDR": "GNSDR", "SIR": "GSIR", "SAR": "GSAR"}


def overall_table(scores: pd.DataFrame) -> pd.DataFrame:
    """A row per system and target with the columns system, target, GNSDR, GSIR and GSAR (dB).

    `scores` are those of frames (see `reading.read_systems`). Systems scored by BSSEval v4 have no NSDR and are left
    out. Songs with a missing score are left out of that mean.
    """
    systems = scores.loc[scores["metric"] == "NSDR", "system"].unique()
    scores = scores[scores["metric"].isin(list(GLOBAL)) & scores["system"].isin(systems)]
    weights = scores["duration"].where(scores["score"].notna())
    weighted = scores.assign(weight=weights, score=weights * scores["score"])
    sums = weighted.groupby(["system", "target", "metric"])[["score", "weight"]].sum(min_count=1)
    means = (sums["score"] / sums["weight"]).unstack().reindex(columns=list(GLOBAL)).rename(columns=GLOBAL)
    means = means.rename_axis(columns=None).astype(float)
    return statistics.in_order(means, list(systems), statistics.targets_of(scores))


def overall_sheet(table: pd.DataFrame) -> sheets.Sheet:
    """The table of `overall_table` as text."""
    cells = table.assign(**{name: table[name].map(sheets.number) for name in GLOBAL.values()})
    return sheets.Sheet("BSS Eval v3 (dB): mean over songs, weighted by their length", cells, 2)
