"""MIR-1K in both of its layouts."""

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

SPLITS = {"abjones_1_01": "train", "abjones_5_08": "valid", "amy_9_09": "valid", "Ani_1_02": "test"}
Noise = Callable[..., NDArray[np.int16]]


LAYOUTS = ("Wavfile", "MIR-1K/Wavfile", ".", "train and test")  # where clips lie


@pytest.fixture(params=LAYOUTS)
def clips(request: pytest.FixtureRequest, tmp_path: Path, noise: Noise) -> Path:
    for seed, (clip, split) in enumerate(SPLITS.items()):
        subset, ending = ("test" if split == "test" else "train"), "wav"
        if request.param != "train and test":
            subset, ending = request.param, "flac"
        (tmp_path / "clips" / subset).mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "clips" / subset / f"{clip}.{ending}", noise(seed), 16000)
    return tmp_path / "clips"


def read(root: Path, song: str, names: tuple[str, ...] = ("vocals", "accompaniment", "mixture")) -> list[NDArray]:
    return [AudioFile(root / song / f"{name}.wav")[:].astype(np.float64) for name in names]


def test_singers_and_clips_have_their_splits(clips: Path) -> None:
    songs = mir1k.recordings(clips)
    assert {song.name: song.split for song in songs} == SPLITS
    assert {song.name: song.subset == "test" for song in songs} == {name: s == "test" for name, s in SPLITS.items()}


def test_voice_is_right_and_stems_sum_to_the_mean_of_channels_or_have_one_norm(
    clips: Path, tmp_path: Path, noise: Noise
) -> None:
    sources = ("vocals", "accompaniment")
    make(mir1k.recordings(clips), sources, tmp_path / "plain")
    make(mir1k.recordings(clips, "unit-norm"), sources, tmp_path / "scaled")
    for seed, (clip, split) in enumerate(SPLITS.items()):
        title = f"{'test' if split == 'test' else 'train'}/{clip}"
        left, right = (noise(seed).astype(np.float64) / 32768).T[..., None]
        vocals, accompaniment, mixture = read(tmp_path / "plain", title)
        np.testing.assert_array_equal(vocals, right / 2)
        np.testing.assert_array_equal(accompaniment, left / 2)
        np.testing.assert_array_equal(mixture, (left + right) / 2)
        vocals, accompaniment, mixture = read(tmp_path / "scaled", title)
        np.testing.assert_allclose(vocals, right / np.linalg.norm(right) * mir1k.NORM, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(accompaniment, left / np.linalg.norm(left) * mir1k.NORM, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(mixture, (vocals + accompaniment).astype(np.float32))


def test_a_silent_source_stays_silent_with_unit_norm_mixing(tmp_path: Path) -> None:
    audio = np.zeros((800, 2), np.int16)
    audio[:, 0] = 100
    soundfile.write(tmp_path / "amy_1_01.wav", audio, 16000)
    (clip,) = mir1k.recordings(tmp_path, "unit-norm")
    clip.write(tmp_path / "out", ["mixture", "vocals"])
    vocals, mixture = read(tmp_path, "out", ("vocals", "mixture"))
    assert not vocals.any()
    assert np.linalg.norm(mixture) == pytest.approx(mir1k.NORM)


def test_what_is_no_mir_1k_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus\.path: .* holds no clips"):
        mir1k.recordings(tmp_path)


@pytest.mark.long
@pytest.mark.real
def test_the_research_copy_has_the_published_split(shared_data: Path) -> None:
    songs = mir1k.recordings(shared_data / "mir-1k")
    assert sum(song.subset == "train" for song in songs) == 175
    assert {song.name for song in songs if song.split == "valid"} == set(mir1k.VALIDATION)
    for song in songs:
        assert (song.subset == "train") == song.name.startswith(mir1k.SINGERS)
