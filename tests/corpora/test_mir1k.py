"""MIR-1K in both of its layouts."""

import numpy as np
import pytest
import soundfile

from rnnsep.corpora import mir1k
from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile
from tests.corpora.test_tree import make
from tests.sound import samples

SPLITS = {"abjones_1_01": "train", "abjones_5_08": "valid", "amy_9_09": "valid", "Ani_1_02": "test"}


LAYOUTS = ("Wavfile", "MIR-1K/Wavfile", ".", "train and test")  # where clips lie


@pytest.fixture(params=LAYOUTS)
def clips(request, tmp_path):
    for seed, (clip, split) in enumerate(SPLITS.items()):
        subset, ending = ("test" if split == "test" else "train"), "wav"
        if request.param != "train and test":
            subset, ending = request.param, "flac"
        (tmp_path / "clips" / subset).mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "clips" / subset / f"{clip}.{ending}", samples(seed), 16000)
    return tmp_path / "clips"


def read(root, song, names=("vocals", "accompaniment", "mixture")):
    return [AudioFile(root / song / f"{name}.wav")[:].astype(np.float64) for name in names]


def test_singers_and_clips_have_their_splits(clips):
    songs = mir1k.recordings(clips)
    assert {song.name: song.split for song in songs} == SPLITS
    assert {song.name: song.subset == "test" for song in songs} == {name: s == "test" for name, s in SPLITS.items()}


def test_voice_is_right_and_stems_sum_to_the_mean_of_channels_or_have_one_norm(clips, tmp_path):
    sources = ("vocals", "accompaniment")
    make(mir1k.recordings(clips), sources, tmp_path / "plain")
    make(mir1k.recordings(clips, "unit-norm"), sources, tmp_path / "scaled")
    for seed, (clip, split) in enumerate(SPLITS.items()):
        title = f"{'test' if split == 'test' else 'train'}/{clip}"
        left, right = (samples(seed).astype(np.float64) / 32768).T[..., None]
        vocals, accompaniment, mixture = read(tmp_path / "plain", title)
        np.testing.assert_array_equal(vocals, right / 2)
        np.testing.assert_array_equal(accompaniment, left / 2)
        np.testing.assert_array_equal(mixture, (left + right) / 2)
        vocals, accompaniment, mixture = read(tmp_path / "scaled", title)
        np.testing.assert_allclose(vocals, right / np.linalg.norm(right) * mir1k.NORM, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(accompaniment, left / np.linalg.norm(left) * mir1k.NORM, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(mixture, (vocals + accompaniment).astype(np.float32))


def test_what_is_no_mir_1k_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"corpus\.path: .* holds no clips"):
        mir1k.recordings(tmp_path)
