"""Medians, intervals and tests against plain NumPy, SciPy and museval's own aggregation."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from rnnsep.tables import reading, statistics
from tests.tables.systems import NAN, random_system, row

patterns = st.lists(
    st.lists(st.one_of(st.just(NAN), st.floats(-60, 60, width=32)), min_size=1, max_size=6), min_size=1, max_size=6
)


@settings(max_examples=60)
@given(patterns)
def test_medians_for_any_pattern_of_nan(songs):
    frames = pd.DataFrame(
        [("S", f"song {i}", "vocals", "SDR", f, v) for i, song in enumerate(songs) for f, v in enumerate(song)],
        columns=["system", "track", "target", "metric", "frame", "score"],
    )
    medians = [np.median(v) if len(v := [x for x in song if x == x]) else NAN for song in songs]
    scores = statistics.song_medians(frames)
    np.testing.assert_allclose(scores["score"].to_numpy(), medians, rtol=0, atol=1e-12)
    (summary,) = statistics.summarise(scores).to_dict("records")
    valid = [median for median in medians if median == median]
    assert summary["songs"] == len(valid)
    assert summary["valid_frames"] == sum(x == x for song in songs for x in song)
    assert summary["nan_frames"] == sum(x != x for song in songs for x in song)
    if valid:
        expected = [np.median(valid), np.mean(valid), *np.quantile(valid, [0.25, 0.75])]
        np.testing.assert_allclose([summary[c] for c in ("median", "mean", "q25", "q75")], expected, atol=1e-9)
    else:
        assert all(math.isnan(summary[column]) for column in ("median", "low", "high", "mean", "q25", "q75"))
    if len(valid) > 1:
        assert min(valid) <= summary["low"] <= summary["median"] <= summary["high"] <= max(valid)
    else:
        assert math.isnan(summary["low"])
        assert math.isnan(summary["high"])


def test_spread_is_the_mean_and_deviation_of_the_figures_of_runs(three):
    scores = reading.read_systems(three)
    table = statistics.spread(statistics.summarise(statistics.song_medians(scores)))
    for metric, over_songs in (("SDR", np.nanmedian), ("uSDR", np.mean)):
        figures = {
            target: [
                over_songs([np.nanmedian(song["score"]) for _, song in run.groupby("track")])
                for _, run in rows.groupby("system", sort=False)
            ]
            for target, rows in scores[scores["metric"] == metric].groupby("target", sort=False)
        }
        figures["mean"] = np.mean(list(figures.values()), axis=0).tolist()
        assert len(figures) == 5
        for target, values in figures.items():
            found = row(table, metric=metric, target=target)
            expected = [np.mean(values), np.std(values, ddof=1), min(values), max(values), 3]
            assert [found[name] for name in ("mean", "std", "low", "high", "runs")] == pytest.approx(expected)


def test_interval_is_the_percentile_bootstrap_of_the_median():
    scores = np.array([3.0, NAN, -1.0, 8.0, 2.5, 0.0, 4.0])
    for values in (scores, scores[:-1]):
        valid = values[~np.isnan(values)]
        drawn = np.random.default_rng(5).integers(valid.size, size=(40_000, valid.size))
        expected = np.quantile(np.median(np.sort(valid)[drawn], axis=1), [0.025, 0.975])
        # both draw from the same discrete distribution, whose quantiles are far from a step here
        np.testing.assert_allclose(statistics.interval(values), expected, atol=1e-12)
        assert statistics.interval(values) == statistics.interval(values[::-1])


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_definition(p):
    ordered = sorted(p)
    for value, corrected in zip(p, statistics.holm(np.array(p)), strict=True):
        expected = max((len(p) - k) * ordered[k] for k in range(ordered.index(value) + ordered.count(value)))
        assert corrected == pytest.approx(min(1.0, expected))


def test_tests_are_scipys_over_the_common_songs(tmp_path):
    random_system(tmp_path / "A", seed=1, nb_songs=12, centre=2.0)
    random_system(tmp_path / "B", seed=2, nb_songs=9)
    random_system(tmp_path / "C", seed=3, nb_songs=12, targets=("vocals", "bass"))
    songs = statistics.song_medians(reading.read_systems([tmp_path / name for name in "ABC"]))
    tests = statistics.compare(songs)
    assert len(tests) == 6 * (2 * 3 + 2 * 1)  # six metrics, two targets of three systems and two of two
    for found in tests.to_dict("records"):
        those = songs[(songs["target"] == found["target"]) & (songs["metric"] == found["metric"])]
        a, b = (those[those["system"] == found[key]].set_index("track")["score"] for key in ("system", "other"))
        difference = np.array([a[track] - b[track] for track in a.index if track in b.index])
        difference = difference[~np.isnan(difference)]
        assert found["songs"] == len(difference)
        assert found["difference"] == pytest.approx(np.median(difference))
        assert found["p"] == pytest.approx(wilcoxon(difference).pvalue)
    for _, group in tests.groupby(["target", "metric"]):
        np.testing.assert_allclose(group["p_holm"], statistics.holm(group["p"].to_numpy()))
    assert set(statistics.compare(songs, of=["B"]).apply(lambda r: {r.system, r.other} >= {"B"}, axis=1)) == {True}
