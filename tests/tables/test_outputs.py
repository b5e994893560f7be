"""The tables and metrics of a run."""

import json

import numpy as np
import pandas as pd
import pytest

from rnnsep.tables import reading, statistics
from rnnsep.tables.outputs import TablesParams, aggregate
from tests.tables.systems import NAN, SONG_METRICS, SOURCES, write

PARAMS = TablesParams(shared_array=False)


@pytest.fixture
def medians(three):
    """The median over frames of each system, song and target, a column per metric."""
    scores = reading.read_systems(three)
    return scores.pivot_table(index=["system", "track", "target"], columns="metric", values="score", aggfunc="median")


def test_metrics_are_the_first_systems_sdr_and_the_mean_of_its_usdr(three, medians, tmp_path):
    aggregate(three, tmp_path / "tables", tmp_path / "metrics.json", PARAMS)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert list(metrics) == ["SDR", "uSDR"]
    assert list(metrics["SDR"]) == ["mean", *SOURCES]
    expected = {target: medians.xs(("RNN", target), level=("system", "target"))["SDR"].median() for target in SOURCES}
    assert metrics["SDR"] == pytest.approx({"mean": np.mean(list(expected.values())), **expected}, abs=5.1e-6)
    assert metrics["uSDR"] == {"mean": pytest.approx(medians.loc["RNN"]["uSDR"].mean(), abs=5.1e-6)}


def test_a_target_without_scores_leaves_its_metric_and_the_mean_missing(tmp_path):
    write(tmp_path / "S", "a", {"vocals": {"SDR": [NAN, NAN]}, "bass": {"SDR": [-0.001, NAN]}})
    aggregate([tmp_path / "S"], tmp_path / "tables", tmp_path / "metrics.json", PARAMS)
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "SDR": {"mean": None, "vocals": None, "bass": -0.001}
    }


def test_tables_read_back_as_they_were(three, tmp_path):
    aggregate(three, tmp_path / "tables", tmp_path / "metrics.json", PARAMS)
    summary = statistics.summarise(statistics.song_medians(reading.read_systems(three)))
    back = pd.read_csv(tmp_path / "tables" / "summary.csv")
    counts = dict.fromkeys(["valid_frames", "nan_frames"], "Int64")
    pd.testing.assert_frame_equal(back.astype(counts), summary, check_dtype=False, rtol=0, atol=5.1e-6)
    songs = pd.read_csv(tmp_path / "tables" / "songs.csv")
    assert list(songs) == [
        "system",
        "track",
        "target",
        *statistics.METRICS,
        *SONG_METRICS,
        "valid_frames",
        "nan_frames",
    ]
    assert len(songs) == 3 * 4 * 4
    pairs = pd.read_csv(tmp_path / "tables" / "tests.csv")
    assert len(pairs) == 3 * 4 * 6
    assert (pairs["p_holm"] >= pairs["p"]).all()


def test_same_scores_same_bytes(three, tmp_path):
    outs = []
    for name in ("one", "two"):
        aggregate(three, tmp_path / name / "tables", tmp_path / name / "metrics.json", PARAMS)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        outs.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert outs[0] == outs[1]
    assert {path.name for path in outs[0]} == {
        "metrics.json", "songs.csv", "summary.csv", "summary.md", "summary.tex", "tests.csv", "tests.md",
    }  # fmt: skip
    assert not any(str(tmp_path).encode() in content for content in outs[0].values())
