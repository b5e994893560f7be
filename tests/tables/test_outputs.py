"""The tables and metrics of a run; GNSDR, GSIR and GSAR against their formula."""

import json

import numpy as np
import pandas as pd
import pytest

from rnnsep.tables import reading, sheets, statistics
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
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == {"SDR": {"mean": None, "vocals": None, "bass": -0.001}}


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


DURATIONS = (4.0, 10.0, 7.0)
TARGETS = ("vocals", "accompaniment")


def write_system(folder, seed, metrics=("SDR", "SIR", "SAR", "NSDR")):
    """Write random scores (nb_songs, nb_targets, nb_metrics), which are returned."""
    scores = np.random.default_rng(seed).normal(size=(len(DURATIONS), 2, len(metrics)))
    for song, duration in enumerate(DURATIONS):
        targets = {
            name: {metric: [score] for metric, score in zip(metrics, row, strict=True)}
            for name, row in zip(TARGETS, scores[song].tolist(), strict=True)
        }
        write(folder / "test", f"song {song}", targets, duration=duration)
    return scores


def overall(folder):
    """{target: {GNSDR, GSIR, GSAR}} of one system."""
    table = statistics.overall(reading.read_systems([folder]))
    assert set(table["system"]) == {folder.name}
    return table.drop(columns="system").set_index("target").to_dict("index")


def test_means_are_weighted_by_the_lengths_of_songs(tmp_path):
    scores = write_system(tmp_path / "RNN", 0)
    means = np.average(scores, axis=0, weights=DURATIONS)
    assert overall(tmp_path / "RNN") == {
        name: pytest.approx({"GNSDR": mean[3], "GSIR": mean[1], "GSAR": mean[2]}, abs=1e-9)
        for name, mean in zip(TARGETS, means, strict=True)
    }


def test_a_missing_score_is_left_out_of_its_mean(tmp_path):
    scores = write_system(tmp_path / "RNN", 0)
    path = tmp_path / "RNN" / "test" / "song 1.json"
    content = json.loads(path.read_text())
    content["targets"][0]["frames"][0]["metrics"]["SIR"] = float("nan")
    path.write_text(json.dumps(content))
    expected = np.average(scores[[0, 2], 0, 1], weights=(4, 7))
    assert overall(tmp_path / "RNN")["vocals"]["GSIR"] == pytest.approx(expected, abs=1e-9)
    for other in ("song 0", "song 2"):
        (path.parent / f"{other}.json").unlink()
    assert np.isnan(overall(tmp_path / "RNN")["vocals"]["GSIR"])
    aggregate([tmp_path / "RNN"], tmp_path / "tables", tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text())["GSIR"]["vocals"] is None


def test_tables_and_metrics_have_them(tmp_path):
    for seed, name in enumerate(("RNN", "MIX")):
        write_system(tmp_path / name, seed)
    folders, path = [tmp_path / "RNN", tmp_path / "MIX"], tmp_path / "metrics.json"
    found = aggregate(folders, tmp_path / "tables", path)
    table, metrics = statistics.overall(reading.read_systems(folders)), json.loads(path.read_text())
    assert list(metrics) == ["SDR", "GNSDR", "GSIR", "GSAR"]
    for name in ("GNSDR", "GSIR", "GSAR"):
        assert list(metrics[name]) == list(TARGETS)
        assert list(metrics[name].values()) == pytest.approx(list(table[name][:2]), abs=5.1e-6)
    written = pd.read_csv(tmp_path / "tables" / "overall.csv")
    pd.testing.assert_frame_equal(written, table, rtol=0, atol=5.1e-6)
    assert list(table["system"]) == ["RNN", "RNN", "MIX", "MIX"]
    text = (tmp_path / "tables" / "overall.md").read_text()
    assert text == sheets.markdown(found)
    assert f"| {sheets.number(metrics['GSAR']['vocals'])} |" in text
