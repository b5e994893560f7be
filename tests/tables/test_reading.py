"""Score files: what is read, and messages for files that cannot be right."""

import json
import math

import numpy as np
import pytest

from rnnsep.running.errors import UserError
from rnnsep.tables import reading, statistics
from tests.tables.systems import NAN, SONG_METRICS, document, random_system, write


@pytest.mark.parametrize("place", ["RNN", "RNN/test"])
def test_reads_every_frame(tmp_path, place):
    drawn = random_system(tmp_path / place, seed=1)
    frames = reading.read_scores(tmp_path / "RNN")
    assert set(frames["system"]) == {"RNN"}
    assert len(frames) == sum(map(len, drawn.values()))
    for (song, target, metric), those in frames.groupby(["track", "target", "metric"]):
        np.testing.assert_array_equal(those["score"].to_numpy(), drawn[song, target, metric])
        if metric in SONG_METRICS:
            assert those["frame"].isna().all()
        else:
            assert list(those["frame"]) == list(range(len(those)))


def test_hidden_files_and_leftovers_of_killed_writers_are_ignored(tmp_path):
    path = write(tmp_path / "S" / "test", "song", {"vocals": {"SDR": [1.0]}})
    for name in (".partial-77-0.json", "._song.json", ".DS_Store", "Thumbs.db"):
        path.with_name(name).write_text('{"targets": [')
    (path.parent / "@eaDir").mkdir()
    assert set(reading.read_scores(tmp_path / "S")["track"]) == {"song"}


def test_scores_of_songs_are_their_own_medians_and_have_no_frames(tmp_path):
    write(tmp_path / "S", "a", {"vocals": {"SDR": [1.0, 3.0]}}, {"vocals": {"uSDR": 5.0, "SI-SDR": NAN}})
    infinite = {"vocals": {"SDR": [7.0, math.inf, -math.inf]}}
    write(tmp_path / "S", "b", infinite, {"vocals": {"uSDR": 8.0, "SI-SDR": math.inf}})
    songs = statistics.song_medians(reading.read_scores(tmp_path / "S"))
    assert list(songs["metric"]) == ["SDR", "uSDR", "SI-SDR"] * 2
    np.testing.assert_array_equal(songs["score"].to_numpy(float), [2.0, 5.0, NAN, 7.0, 8.0, NAN])
    for column, first, second in (("valid_frames", 2, 1), ("nan_frames", 0, 2)):
        assert songs[column].fillna(-1).tolist() == [first, -1, -1, second, -1, -1]


def good():
    return document({"vocals": {"SDR": [1.0, 2.0], "SIR": [3.0, 4.0]}, "bass": {"SDR": [1.0], "SIR": [2.0]}})


def broken(change):
    content = good()
    change(content)
    return json.dumps(content)


BROKEN = [
    ("not valid JSON: Expecting value: line 1 column 14", '{"targets": ['),
    ("not valid JSON: Expecting value: line 1 column 1 ", ""),
    ("not valid JSON: 'utf-8' codec", b'{"targets": "\xff"}'),
    ("the file", "[1, 2]"),
    ("a target", broken(lambda c: c.update(targets={"vocals": 1}))),
    ("holds no scores", broken(lambda c: c.update(targets=[]))),
    ("a target", broken(lambda c: c["targets"][0].pop("name"))),
    ("a target", broken(lambda c: c["targets"][0].update(name=3))),
    ("bass", broken(lambda c: c["targets"][1].pop("frames"))),
    ("bass", broken(lambda c: c["targets"][1].update(frames=[]))),
    ("a target", broken(lambda c: c["targets"][0].update(name="bass"))),
    ("frame 1 of vocals", broken(lambda c: c["targets"][0]["frames"][1].pop("metrics"))),
    ("frame 1 of vocals", broken(lambda c: c["targets"][0]["frames"][1]["metrics"].pop("SIR"))),
    ("frame 0 of vocals", broken(lambda c: [f["metrics"].clear() for f in c["targets"][0]["frames"]])),
    *(
        ("frame 0 of vocals", broken(lambda c, value=value: c["targets"][0]["frames"][0]["metrics"].update(SDR=value)))
        for value in (None, "1", True)
    ),
    *(
        ("metrics of bass", broken(lambda c, value=value: c["targets"][1].update(metrics=value)))
        for value in ([1.0], {"SDR": 1.0}, {"uSDR": None})
    ),
]


@pytest.mark.parametrize(("message", "text"), BROKEN)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, message, text):
    path = tmp_path / "S" / "Söng.json"
    path.parent.mkdir()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        reading.read_scores(tmp_path / "S")
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_systems_without_a_common_target_are_rejected(tmp_path):
    write(tmp_path / "A", "a", {"vocals": {"SDR": [1.0]}})
    write(tmp_path / "B", "a", {"piano": {"SDR": [1.0]}})
    with pytest.raises(UserError, match=r"B: has no target in common with .*A: piano here, vocals there"):
        reading.read_systems([tmp_path / "A", tmp_path / "B"])


def test_folders_of_the_same_name_are_told_apart(tmp_path):
    folders = [tmp_path / run / "RNN" for run in ("one", "two")]
    for folder in folders:
        write(folder, "song", {"vocals": {"SDR": [1.0]}})
    frames = reading.read_systems([*folders, folders[0]])
    assert statistics.systems_of(frames) == ["one/RNN", "two/RNN"]
    assert len(frames) == 2
