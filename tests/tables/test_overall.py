"""GNSDR, GSIR and GSAR against their formula, in tables and metrics, and only where there is NSDR."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnsep.tables import tables
from rnnsep.tables.overall import OverallParams, overall, write_overall

DURATIONS = (4.0, 10.0, 7.0)
PLAIN, SHARED = OverallParams(shared_array=False), OverallParams(shared_array=True)


def write_system(folder: Path, seed: int, metrics: tuple[str, ...] = ("SDR", "SIR", "SAR", "NSDR")) -> np.ndarray:
    """Random scores (nb_songs, nb_targets, nb_metrics) and their files."""
    scores = np.random.default_rng(seed).normal(size=(len(DURATIONS), 2, len(metrics)))
    for song, duration in enumerate(DURATIONS):
        targets = [
            {
                "name": name,
                "frames": [{"time": 0.0, "duration": duration, "metrics": dict(zip(metrics, row, strict=True))}],
            }
            for name, row in zip(("vocals", "accompaniment"), scores[song].tolist(), strict=True)
        ]
        path = folder / "test" / f"song {song}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"targets": targets}))
    return scores


def test_means_are_weighted_by_the_lengths_of_songs(tmp_path: Path) -> None:
    scores = write_system(tmp_path / "RNN", 0)
    means = np.average(scores, axis=0, weights=DURATIONS)
    assert overall(tmp_path / "RNN", PLAIN) == {
        name: pytest.approx({"GNSDR": mean[3], "GSIR": mean[1], "GSAR": mean[2]}, abs=1e-5)
        for name, mean in zip(("vocals", "accompaniment"), means, strict=True)
    }


def test_with_the_defect_all_three_are_one_array_to_which_all_scores_are_added(tmp_path: Path) -> None:
    scores = write_system(tmp_path / "RNN", 0)
    gnsdr = gsir = gsar = np.zeros(2)
    for duration, song in zip(DURATIONS, scores, strict=True):
        gnsdr += duration * song[:, 3]
        gsir += duration * song[:, 1]
        gsar += duration * song[:, 2]
    total = sum(DURATIONS)
    expected = {"GNSDR": gnsdr / total, "GSIR": gsir / total, "GSAR": gsar / total}
    found = overall(tmp_path / "RNN", SHARED)
    for index, name in enumerate(("vocals", "accompaniment")):
        assert found[name] == pytest.approx({key: value[index] for key, value in expected.items()}, abs=1e-5)
    assert len(set(found["vocals"].values())) == 1


def test_a_missing_score_is_left_out_of_its_mean(tmp_path: Path) -> None:
    scores = write_system(tmp_path / "RNN", 0)
    path = tmp_path / "RNN" / "test" / "song 1.json"
    content = json.loads(path.read_text())
    content["targets"][0]["frames"][0]["metrics"]["SIR"] = float("nan")
    path.write_text(json.dumps(content))
    expected = np.average(scores[[0, 2], 0, 1], weights=(4, 7))
    assert overall(tmp_path / "RNN", PLAIN)["vocals"]["GSIR"] == pytest.approx(expected, abs=1e-5)
    for other in ("song 0", "song 2"):
        (path.parent / f"{other}.json").unlink()
    assert overall(tmp_path / "RNN", PLAIN)["vocals"]["GSIR"] is None


def test_tables_and_metrics_have_them(tmp_path: Path) -> None:
    for seed, name in enumerate(("RNN", "MIX")):
        write_system(tmp_path / name, seed)
    folders, metrics = [tmp_path / "RNN", tmp_path / "MIX"], tmp_path / "metrics.json"
    tables.aggregate(folders, tmp_path / "tables", metrics)
    before = json.loads(metrics.read_text())
    assert "NSDR" in before
    table = write_overall(folders, tmp_path / "tables", metrics, PLAIN)
    after, found = json.loads(metrics.read_text()), overall(tmp_path / "RNN", PLAIN)
    assert {key: after[key] for key in before} == before
    assert after["GNSDR"] == {name: values["GNSDR"] for name, values in found.items()}
    written = pd.read_csv(tmp_path / "tables" / "overall.csv")
    pd.testing.assert_frame_equal(written, table)
    assert list(table["system"]) == ["RNN", "RNN", "MIX", "MIX"]
    assert f"| {tables.number(found['vocals']['GSAR'])} |" in (tmp_path / "tables" / "overall.md").read_text()


def test_scores_of_v4_stay_as_they_are(tmp_path: Path) -> None:
    write_system(tmp_path / "RNN", 0, ("SDR", "ISR", "SIR", "SAR"))
    tables.aggregate([tmp_path / "RNN"], tmp_path / "tables", tmp_path / "metrics.json")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert write_overall([tmp_path / "RNN"], tmp_path / "tables", tmp_path / "metrics.json", SHARED).empty
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
