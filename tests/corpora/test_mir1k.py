"""MIR-1K in both of its layouts."""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rnnsep.corpora import mir1k
from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile
from tests.corpora.test_tree import make

CLIPS = ("abjones_1_01", "abjones_5_08", "amy_9_09", "Ani_1_02")


@pytest.fixture
def published(tmp_path: Path, noise: Callable[..., NDArray[np.int16]]) -> Path:
    """The layout as published: all clips in one folder."""
    (tmp_path / "Wavfile").mkdir()
    for seed, clip in enumerate(CLIPS):
        soundfile.write(tmp_path / "Wavfile" / f"{clip}.wav", noise(seed), 16000)
    return tmp_path


@pytest.fixture
def divided(tmp_path: Path, noise: Callable[..., NDArray[np.int16]]) -> Path:
    """Clips in folders of the two subsets, with a manifest."""
    rows = []
    for seed, clip in enumerate(CLIPS):
        subset = "test" if clip.startswith("Ani") else "train"
        (tmp_path / subset).mkdir(exist_ok=True)
        soundfile.write(tmp_path / subset / f"{clip}.flac", noise(seed), 16000)
        rows.append({"clip": clip, "sha256_pcm": hashlib.sha256(noise(seed).tobytes()).hexdigest()})
    with open(tmp_path / "manifest.csv", "w", newline="") as file:
        table = csv.DictWriter(file, ["clip", "sha256_pcm"])
        table.writeheader()
        table.writerows(rows)
    return tmp_path


@pytest.mark.parametrize("layout", ["published", "divided"])
def test_singers_and_clips_have_their_splits(layout: str, request: pytest.FixtureRequest) -> None:
    songs = {song.name: (song.subset, song.split) for song in mir1k.recordings(request.getfixturevalue(layout))}
    assert songs == {
        "abjones_1_01": ("train", "train"),
        "abjones_5_08": ("train", "valid"),
        "amy_9_09": ("train", "valid"),
        "Ani_1_02": ("test", "test"),
    }


def test_voice_is_right_and_stems_sum_to_the_mean_of_channels(
    published: Path, tmp_path: Path, noise: Callable[..., NDArray[np.int16]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "1")
    make(mir1k.recordings(published)[:1], ["vocals", "accompaniment"], tmp_path / "out")
    audio = {
        name: AudioFile(tmp_path / "out" / "test" / "Ani_1_02" / f"{name}.wav")[:]
        for name in ("mixture", "vocals", "accompaniment")
    }
    clip = noise(CLIPS.index("Ani_1_02")).astype(np.float64) / 32768
    np.testing.assert_array_equal(audio["vocals"][:, 0], clip[:, 1] / 2)
    np.testing.assert_array_equal(audio["accompaniment"][:, 0], clip[:, 0] / 2)
    np.testing.assert_array_equal(audio["mixture"][:, 0], clip.mean(axis=1))


def test_a_clip_that_differs_from_the_manifest_is_rejected(
    divided: Path, noise: Callable[..., NDArray[np.int16]]
) -> None:
    soundfile.write(divided / "test" / "Ani_1_02.flac", noise(99), 16000)
    with pytest.raises(UserError, match=r"Ani_1_02\.flac: its samples differ"):
        mir1k.recordings(divided)


def test_a_manifest_of_another_kind_is_rejected(divided: Path) -> None:
    (divided / "manifest.csv").write_text("file,hash\na,b\n")
    with pytest.raises(UserError, match=r"manifest\.csv: cannot be read"):
        mir1k.recordings(divided)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus\.path: .* holds no clips"):
        mir1k.recordings(tmp_path)


@pytest.mark.real
def test_the_research_copy_has_the_published_split(shared_data: Path) -> None:
    songs = mir1k.recordings(shared_data / "mir-1k")
    assert sum(song.subset == "train" for song in songs) == 175
    assert {song.name for song in songs if song.split == "valid"} == set(mir1k.VALIDATION)
    for song in songs:
        assert (song.subset == "train") == song.name.startswith(mir1k.SINGERS)


@pytest.mark.parametrize("layout", ["published", "divided"])
def test_unit_norm_mixing_gives_voice_and_music_the_same_norm(
    layout: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "1")
    path = request.getfixturevalue(layout)
    plain, scaled = tmp_path / "plain", tmp_path / "scaled"
    make(mir1k.recordings(path), ("vocals", "accompaniment"), plain)
    songs = make(mir1k.recordings(path, "unit-norm"), ("vocals", "accompaniment"), scaled)
    assert len(songs) == len(CLIPS)
    for song in songs:
        stems = {}
        for name in ("vocals", "accompaniment", "mixture"):
            before, after = (
                np.asarray(AudioFile(root / song.subset / song.name / f"{name}.wav")) for root in (plain, scaled)
            )
            stems[name] = after.astype(np.float64)
            if name != "mixture":
                expected = before / np.linalg.norm(before.astype(np.float64)) * mir1k.NORM
                np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(stems["mixture"], (stems["vocals"] + stems["accompaniment"]).astype(np.float32))


@pytest.mark.parametrize("place", ["Wavfile", "renamed", "MIR-1K above"])
def test_the_folder_of_the_clips_itself_or_one_above_may_be_given(published: Path, place: str) -> None:
    names = [clip.name for clip in mir1k.recordings(published)]
    path = published / place
    if place == "renamed":
        (published / "Wavfile").rename(path)
    elif place == "MIR-1K above":
        (path / "MIR-1K").mkdir(parents=True)
        (published / "Wavfile").rename(path / "MIR-1K" / "Wavfile")
    clips = mir1k.recordings(path)
    assert [clip.name for clip in clips] == names == sorted(CLIPS)
    assert {clip.name: clip.subset for clip in clips}["Ani_1_02"] == "test"


def test_a_silent_source_stays_silent_with_unit_norm_mixing(tmp_path: Path) -> None:
    (tmp_path / "Wavfile").mkdir()
    audio = np.zeros((800, 2), np.int16)
    audio[:, 0] = 100
    soundfile.write(tmp_path / "Wavfile" / "amy_1_01.wav", audio, 16000)
    (clip,) = mir1k.recordings(tmp_path, "unit-norm")
    clip.write(tmp_path / "out", ["mixture", "vocals"], "exact")
    assert not np.asarray(AudioFile(tmp_path / "out" / "vocals.wav")).any()
    assert np.linalg.norm(np.asarray(AudioFile(tmp_path / "out" / "mixture.wav"))) == pytest.approx(mir1k.NORM)
