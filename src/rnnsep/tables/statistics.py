"""Statistics of scores: from frames to songs, from songs to systems, and tests between systems.

By SiSEC's convention the SDR, ISR, SIR or SAR of a song is the median over its frames, and that of a system the median
over songs. With frames of 1 s, recent papers call this SDR "cSDR" (chunk-level SDR). uSDR and SI-SDR have one score per
song, and papers report the mean over songs. NaN is left out of medians and means. All tables are in long form:

- scores: system, track, target, metric, frame (NA: whole song), score (dB)
- songs: system, track, target, metric, score (dB), valid_frames, nan_frames (NA: whole song)
- summary: system, target, metric, median, low, high, mean, q25, q75 (dB), songs, valid_frames, nan_frames
- tests: target, metric, system, other, songs, difference (dB), p, p_holm
- overall: system, target, GNSDR, GSIR, GSAR (dB)
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

METRICS = ("SDR", "ISR", "SIR", "SAR")  # of BSSEval v4
GLOBAL = {"NSDR": "GNSDR", "SIR": "GSIR", "SAR": "GSAR"}  # of a whole corpus, by the metric of a song
TARGETS = ("vocals", "drums", "bass", "other", "accompaniment")
NB_RESAMPLES = 10_000


def song_medians(scores: pd.DataFrame) -> pd.DataFrame:
    """The table of songs: the median over the valid frames of each song, target and metric; NaN if none is valid."""
    groups = scores.groupby(["system", "track", "target", "metric"], sort=False)
    columns = {"score": ("score", "median"), "valid_frames": ("score", "count"), "nan_frames": ("frame", "count")}
    songs = groups.agg(**columns).reset_index().astype({"valid_frames": "Int64", "nan_frames": "Int64"})
    framewise = songs["nan_frames"] > 0
    songs["nan_frames"] = (songs["nan_frames"] - songs["valid_frames"]).where(framewise)
    songs["valid_frames"] = songs["valid_frames"].where(framewise)
    return songs


def summarise(songs: pd.DataFrame) -> pd.DataFrame:
    """The table of systems: median over songs with its `interval`, mean, quartiles, and numbers of songs and frames.

    The column songs counts the songs with a valid score. Systems keep their order; targets and metrics are in the
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
    return in_order(summary, systems_of(songs), targets_of(songs), metrics_of(songs))


def spread(summary: pd.DataFrame) -> pd.DataFrame:
    """The table of runs, from a summary whose systems are runs: target, metric, mean, std, low, high (dB), runs.

    The figure of a run is its median over songs, or for scores of whole songs its mean. `std` is the sample standard
    deviation over runs, `low` and `high` are the lowest and highest run. The target `mean` is the mean over targets.
    """
    whole = summary["valid_frames"].isna() & ~summary["metric"].isin(METRICS)
    figures = summary.assign(score=summary["mean"].where(whole, summary["median"]))
    means = figures.groupby(["system", "metric"], sort=False)["score"].mean().reset_index().assign(target="mean")
    scores = pd.concat([figures, means]).groupby(["metric", "target"], sort=False)["score"]
    table = pd.DataFrame({"mean": scores.mean(), "std": scores.std(), "low": scores.min(), "high": scores.max()})
    table["runs"] = scores.count()
    return in_order(table, metrics_of(summary), [*targets_of(summary), "mean"])


def overall(scores: pd.DataFrame) -> pd.DataFrame:
    """GNSDR, GSIR and GSAR, which papers on MIR-1K report: a row per system and target.

    Each is the mean over songs of NSDR, SIR or SAR by BSS Eval v3, weighted by the songs' lengths (C.-L. Hsu and J.-S.
    R. Jang, IEEE Transactions on Audio, Speech and Language Processing 18(2), 2010). `scores` have the column duration
    (see `reading.read_systems`). Systems scored by BSSEval v4 have no NSDR and are left out. Songs with a missing score
    are left out of that mean.
    """
    systems = scores.loc[scores["metric"] == "NSDR", "system"].unique()
    scores = scores[scores["metric"].isin(list(GLOBAL)) & scores["system"].isin(systems)]
    weights = scores["duration"].where(scores["score"].notna())
    weighted = scores.assign(weight=weights, score=weights * scores["score"])
    sums = weighted.groupby(["system", "target", "metric"])[["score", "weight"]].sum(min_count=1)
    means = (sums["score"] / sums["weight"]).unstack().reindex(columns=list(GLOBAL)).rename(columns=GLOBAL)
    means = means.rename_axis(columns=None).astype(float)
    return in_order(means, list(systems), targets_of(scores))


def by_song(songs: pd.DataFrame) -> pd.DataFrame:
    """A row per system, song and target, with a column per metric and the numbers of frames of the first metric."""
    keys, columns = ["system", "track", "target"], metrics_of(songs)
    scores = songs.pivot(index=keys, columns="metric", values="score")[columns]
    first = songs[songs["metric"] == columns[0]].set_index(keys)[["valid_frames", "nan_frames"]]
    return in_order(scores.join(first), systems_of(songs), sorted(songs["track"].unique()), targets_of(songs))


def in_order(table: pd.DataFrame, *levels: Sequence[str]) -> pd.DataFrame:
    """`table` with its index, one level for each of `levels`, sorted by them and turned into columns."""
    order = pd.MultiIndex.from_product(levels, names=table.index.names)
    return table.reindex(order[order.isin(table.index)]).reset_index()


def interval(scores: NDArray[np.float64]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the median over songs; NaN for fewer than two valid scores."""
    valid = np.sort(scores[~np.isnan(scores)])
    if valid.size < 2:
        return math.nan, math.nan
    lower, upper = _middle_ranks(valid.size)
    low, high = np.quantile((valid[lower] + valid[upper]) / 2, [0.025, 0.975])
    return float(low), float(high)


@lru_cache(maxsize=16)
def _middle_ranks(nb_songs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks (NB_RESAMPLES,) of the two middle songs of each bootstrap sample; equal for an odd number of songs."""
    ranks = np.random.default_rng(0).integers(nb_songs, size=(NB_RESAMPLES, nb_songs))
    ranks.sort(axis=1)
    return ranks[:, (nb_songs - 1) // 2], ranks[:, nb_songs // 2]


def compare(songs: pd.DataFrame, of: Iterable[str] | None = None) -> pd.DataFrame:
    """The table of tests: two-sided Wilcoxon signed-rank test of each pair of systems over their common songs.

    `difference` is the median over songs of system minus other. `p_holm` is corrected with Holm's method over all
    pairs of one target and metric. `of` restricts both to the pairs that contain one of these systems.
    """
    chosen = set(songs["system"] if of is None else of)
    rows: list[tuple[object, ...]] = []
    for metric, target in itertools.product(metrics_of(songs), targets_of(songs)):
        part = songs[(songs["metric"] == metric) & (songs["target"] == target)]
        scores = part.pivot(index="track", columns="system", values="score")
        pairs = [pair for pair in itertools.combinations(systems_of(part), 2) if chosen & set(pair)]
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
    from scipy.stats import wilcoxon  # takes a second to import

    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values corrected for multiple comparisons (S. Holm, Scandinavian Journal of Statistics 6(2), 1979)."""
    order = np.argsort(p)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return corrected


def systems_of(table: pd.DataFrame) -> list[str]:
    """The systems of a table in their order of appearance."""
    return list(dict.fromkeys(table["system"]))


def targets_of(table: pd.DataFrame) -> list[str]:
    """The targets of a table: first those of `TARGETS`, then others in their order of appearance."""
    return ordered(table["target"], TARGETS)


def metrics_of(table: pd.DataFrame) -> list[str]:
    """The metrics of a table: first those of `METRICS`, then others in their order of appearance."""
    return ordered(table["metric"], METRICS)


def of_whole_songs(table: pd.DataFrame) -> bool:
    """Whether the rows of one metric in a table of songs or systems are scores of whole songs, such as uSDR."""
    # published scores have no numbers of frames either
    return bool(table["valid_frames"].isna().all() and not table["metric"].isin(METRICS).any())


def ordered(values: Iterable[str], known: Sequence[str]) -> list[str]:
    """The distinct values: first those of `known`, in its order, then others in their order of appearance."""
    found = list(dict.fromkeys(values))
    return [value for value in known if value in found] + [value for value in found if value not in known]
