"""The tables and metrics of a run."""

import json

import numpy as np
import pandas as pd
import pytest

from rnnsep.tables import reading, statistics
from rnnsep.tables.outputs import aggregate
from tests.tables.systems import NAN, SONG_METRICS, SOURCES, write


def test_metrics_are_the_first_systems_sdr_and_the_mean_of_its_usdr(three, tmp_path):
    scores = reading.read_systems(three)
    index = ["system", "track", "target"]
    medians = scores.pivot_table(index=index, columns="metric", values="score", aggfunc="median")
    aggregate(three, tmp_path / "tables", tmp_path / "metrics.json")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert list(metrics) == ["SDR", "uSDR"]
    assert list(metrics["SDR"]) == ["mean", *SOURCES]
    expected = {target: medians.xs(("RNN", target), level=("system", "target"))["SDR"].median() for target in SOURCES}
    assert metrics["SDR"] == pytest.approx({"mean": np.mean(list(expected.values())), **expected}, abs=5.1e-6)
    assert metrics["uSDR"] == {"mean": pytest.approx(medians.loc["RNN"]["uSDR"].mean(), abs=5.1e-6)}


def test_a_target_without_scores_leaves_its_metric_and_the_mean_missing(tmp_path):
    write(tmp_path / "S", "a", {"vocals": {"SDR": [NAN, NAN]}, "bass": {"SDR": [-0.001, NAN]}})
    aggregate([tmp_path / "S"], tmp_path / "tables", tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "SDR": {"mean": None, "vocals": None, "bass": -0.001}
    }


def test_tables_read_back_as_they_were(three, tmp_path):
    aggregate(three, tmp_path / "tables", tmp_path / "metrics.json")
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "songs.csv", "summary.csv", "summary.md", "summary.tex", "tests.csv", "tests.md",
    }  # fmt: skip
    summary = statistics.summarise(statistics.song_medians(reading.read_systems(three)))
    back = pd.read_csv(tmp_path / "tables" / "summary.csv")
    counts = dict.fromkeys(["valid_frames", "nan_frames"], "Int64")
    pd.testing.assert_frame_equal(back.astype(counts), summary, check_dtype=False, rtol=0, atol=5.1e-6)
    songs = pd.read_csv(tmp_path / "tables" / "songs.csv")
    names = [*statistics.METRICS, *SONG_METRICS]
    assert list(songs) == ["system", "track", "target", *names, "valid_frames", "nan_frames"]
    assert len(songs) == 3 * 4 * 4
    pairs = pd.read_csv(tmp_path / "tables" / "tests.csv")
    assert len(pairs) == 3 * 4 * 6
    assert (pairs["p_holm"] >= pairs["p"]).all()
