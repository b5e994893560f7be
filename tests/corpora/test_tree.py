"""Songs into the tree: nothing changed, sums exact, damage rejected, finished songs left alone."""

import numpy as np
import pytest
import soundfile

from rnnsep.corpora.original import Recording, Stem
from rnnsep.corpora.sources import Choice
from rnnsep.corpora.tree import make_songs
from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile
from tests.corpora.test_collect import contents
from tests.sound import samples


def make(songs, sources, root):
    return make_songs(songs, Choice(tuple(sources)), root)


def recording(folder, **stems):
    folder.mkdir(parents=True, exist_ok=True)
    for name, audio in stems.items():
        subtype = "FLOAT" if audio.dtype == np.float32 else "PCM_16"
        soundfile.write(folder / f"{name}.wav", audio, 8000, subtype=subtype)
    return Recording(folder.name, "train", "train", {name: Stem(folder / f"{name}.wav") for name in stems})


def read(root, song, name):
    return AudioFile(root / "train" / song / f"{name}.wav")[:]


def test_stems_come_as_they_are(tmp_path):
    loud = samples(2).astype(np.float32) / 1000
    song = recording(tmp_path / "in" / "a", mixture=samples(0), bass=samples(1), voice=loud)
    (made,) = make([song], ["voice", "bass"], tmp_path / "out")
    assert (made.name, made.split, made.rate, made.nb_samples, made.nb_channels) == ("a", "train", 8000, 800, 2)
    assert sorted(contents(tmp_path / "out")) == [f"train/a/{n}.wav" for n in ("bass", "mixture", "voice")]
    np.testing.assert_array_equal(read(tmp_path / "out", "a", "bass") * 32768, samples(1))
    np.testing.assert_array_equal(read(tmp_path / "out", "a", "voice"), loud)


def test_a_missing_mixture_is_the_exact_sum_even_above_full_scale(tmp_path):
    loud = {name: np.random.default_rng(ord(name)).choice([-30000, 31000], (100, 1)).astype(np.int16) for name in "xyz"}
    make([recording(tmp_path / "a", **loud)], ["x", "y", "z"], tmp_path / "out")
    mixture = read(tmp_path / "out", "a", "mixture") * 32768
    np.testing.assert_array_equal(mixture, sum(x.astype(int) for x in loud.values()))
    assert mixture.max() == 93000


def test_gains_make_mono_stems_that_sum_exactly(tmp_path):
    extremes = np.array([[32767, 32767], [-32768, -32768], [20000, -9000], [0, 1], [-1, 2]], np.int16)
    recording(tmp_path / "a", both=extremes)
    path = tmp_path / "a" / "both.wav"
    gains = {"mixture": (0.5, 0.5), "left": (0.5, 0.0), "right": (0.0, 0.5)}
    stems = {name: Stem(path, gains=pair) for name, pair in gains.items()}
    make([Recording("a", "train", "train", stems)], ["left", "right"], tmp_path / "out")
    left, right, mixture = (read(tmp_path / "out", "a", name) for name in ("left", "right", "mixture"))
    np.testing.assert_array_equal(left + right, mixture)
    np.testing.assert_array_equal(left * 65536, extremes[:, :1])
    with pytest.raises(UserError, match="has 2 channels, not 1"):
        Stem(path, gains=(1.0,)).read()


def test_a_song_that_fails_leaves_the_others(tmp_path):
    good = recording(tmp_path / "in" / "a", x=samples(0))
    bad = recording(tmp_path / "in" / "b", x=np.full((9, 1), np.nan, np.float32))
    with pytest.raises(UserError, match="NaN"):
        make([good, bad], ["x"], tmp_path / "out")
    assert (tmp_path / "out" / "train" / "a" / "x.wav").exists()
    assert not (tmp_path / "out" / "train" / "b").exists()
    recording(tmp_path / "in" / "b", x=samples(1))
    assert len(make([good, bad], ["x"], tmp_path / "out")) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train"}


@pytest.mark.parametrize(("name", "reason"), [("x" * 241, "240 bytes"), ("ñ" * 121, "240 bytes"), ("\udcff", "UTF-8")])
def test_a_name_that_is_no_file_name_everywhere_is_rejected(tmp_path, name, reason):
    with pytest.raises(UserError, match=reason):
        make([Recording(name, "train", "train", {"x": Stem(tmp_path)})], ["x"], tmp_path / "out")


def test_songs_of_one_name_are_rejected_before_anything_is_made(tmp_path):
    song = recording(tmp_path / "a", x=samples(0))
    with pytest.raises(UserError, match="two songs are called 'a'"):
        make([song, song], ["x"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
