import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnsep.features.extraction import write_features
from rnnsep.features.float16 import to_half, to_single
from rnnsep.features.npz import map_npz, write_member
from rnnsep.features.storage import open_features
from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.corpus import Corpus, Song
from rnnsep.signal.resampling import resampled
from rnnsep.signal.stft import StftParams, stft
from rnnsep.signal.streams import with_channels
from rnnsep.signal.writing import write_wav

PARAMS = StftParams(sample_rate=8000, window=256, hop=128, channels="stereo", taper="hann")
SOURCES = ("vocals", "drums")
NAMES = ["Plain", 'It\'s [über] "quoted"', "Mono"]


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "1")


def noise(nb_samples: int, nb_channels: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (nb_samples, nb_channels)).astype(np.float32)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    songs = []
    for name, split, rate, nb_samples, nb_channels in [
        (NAMES[0], "train", 8000, 5000, 2),
        (NAMES[1], "train", 11025, 4001, 2),
        (NAMES[2], "valid", 8000, 1, 1),
        ("Tested", "test", 8000, 100, 2),
    ]:
        subset = "test" if split == "test" else "train"
        songs.append(Song(name, subset, split, rate, nb_samples, nb_channels))
        for seed, source in enumerate(SOURCES):
            path = tmp_path / "corpus" / subset / name / f"{source}.wav"
            write_wav(path, [noise(nb_samples, nb_channels, seed)], rate)
    corpus = Corpus(tmp_path / "corpus", "small", SOURCES, tuple(songs))
    corpus.write()
    return corpus


def test_copies_at_other_speeds_are_training_songs_resampled(corpus: Corpus, tmp_path: Path) -> None:
    write_features(corpus.root, tmp_path / "features", PARAMS, [1.0, 0.75, 0.75, 1.059])
    features = open_features(tmp_path / "features")
    names = [song.name for song in corpus.of("train")]
    assert [song.name for song in features.songs[:3]] == names
    assert [song.name for song in features.songs[3:]] == [
        f"x{speed}/{n}" for speed in ("0.750", "1.059") for n in NAMES[:2]
    ]
    assert all(song.split == "train" for song in features.songs[3:])
    for name in NAMES[:2]:
        song = next(one for one in corpus.songs if one.name == name)
        for source, array in features.arrays(f"x0.750/{name}").items():
            slower = resampled(corpus.stem(song, source), 3 * song.rate, 4 * PARAMS.sample_rate)
            expected = stft(slower, PARAMS)
            assert array.shape[:1] == expected.shape[:1]
            np.testing.assert_allclose(array[..., 0] + 1j * array[..., 1], expected, atol=2e-6, rtol=2**-10)


def test_copies_from_later_starts_are_training_songs_without_their_first_samples(
    corpus: Corpus, tmp_path: Path
) -> None:
    write_features(corpus.root, tmp_path / "features", PARAMS, [0.75], offsets=4)
    features = open_features(tmp_path / "features")
    played = [*NAMES[:2], *(f"x0.750/{name}" for name in NAMES[:2])]
    assert [song.name for song in features.songs] == [
        *NAMES, *played[2:], *(f"o{start}/{name}" for start in (32, 64, 96) for name in played)
    ]  # fmt: skip
    assert {song.played for song in features.songs} == {*NAMES, *played}
    song = corpus.of("train")[0]
    for source, array in features.arrays(f"o96/{NAMES[0]}").items():
        expected = stft(with_channels(corpus.stem(song, source)[96:5000], 2), PARAMS)
        np.testing.assert_allclose(array[..., 0] + 1j * array[..., 1], expected, atol=2e-6, rtol=2**-10)


def test_a_song_shorter_than_a_start_keeps_its_last_sample(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    for source in SOURCES:
        write_wav(root / "train" / "Short" / f"{source}.wav", [noise(10, 1)], 8000)
    Corpus(root, "small", SOURCES, (Song("Short", "train", "train", 8000, 10, 1),)).write()
    write_features(root, tmp_path / "features", PARAMS, offsets=2)
    array = open_features(tmp_path / "features").arrays("o64/Short")["drums"]
    last = np.repeat(AudioFile(root / "train" / "Short" / "drums.wav")[9:10], 2, axis=1)
    np.testing.assert_allclose(array[..., 0] + 1j * array[..., 1], stft(last, PARAMS), atol=2e-6, rtol=2**-10)


@pytest.mark.parametrize("channels", ["mono", "stereo"])
def test_features_are_the_sources_spectra(corpus: Corpus, tmp_path: Path, channels: str) -> None:
    params = replace(PARAMS, channels=channels)
    write_features(corpus.root, tmp_path / "features", params)
    features = open_features(tmp_path / "features")
    assert features.sources == SOURCES
    assert features.stft == params
    assert [(song.name, song.split) for song in features.songs] == [
        (song.name, song.split) for song in corpus.of("train")
    ]
    for song, written in zip(corpus.of("train"), features.songs, strict=True):
        arrays = features.arrays(song.name)
        assert tuple(arrays) == SOURCES
        for source, array in arrays.items():
            audio = resampled(corpus.stem(song, source), song.rate, params.sample_rate)
            expected = with_channels(stft(audio, params), params.nb_channels)
            assert array.dtype == np.float16
            assert array.shape == (written.nb_frames, params.nb_bins, params.nb_channels, 2)
            found = array[..., 0] + 1j * array[..., 1]
            np.testing.assert_allclose(found, expected, atol=2e-6, rtol=2**-10)
            assert not array.flags.writeable
            assert array.ctypes.data % 64 == 0


def test_numpy_reads_the_files_and_finds_their_checksums_right(corpus: Corpus, tmp_path: Path) -> None:
    write_features(corpus.root, tmp_path / "features", PARAMS)
    for name in NAMES:
        path = tmp_path / "features" / f"{name}.npz"
        mapped = map_npz(path)
        with np.load(path, allow_pickle=False) as loaded:
            assert tuple(loaded) == tuple(mapped)
            for source in loaded:
                np.testing.assert_array_equal(loaded[source], mapped[source])
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None


def test_same_bytes_again_and_finished_songs_are_kept(corpus: Corpus, tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    write_features(corpus.root, folders[0], PARAMS)
    folders[1].mkdir()
    kept = folders[1] / "Plain.npz"
    kept.write_bytes((folders[0] / "Plain.npz").read_bytes())
    before = kept.stat().st_mtime_ns
    write_features(corpus.root, folders[1], PARAMS)
    assert kept.stat().st_mtime_ns == before
    assert sorted(path.name for path in folders[1].iterdir()) == sorted(
        ["features.json", *(f"{name}.npz" for name in NAMES)]
    )
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes()


def test_a_broken_song_leaves_no_file_and_no_index(corpus: Corpus, tmp_path: Path) -> None:
    (corpus.root / "train" / "Plain" / "drums.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"drums\.wav"):
        write_features(corpus.root, tmp_path / "features", PARAMS)
    assert not (tmp_path / "features" / "Plain.npz").exists()
    assert not (tmp_path / "features" / "features.json").exists()


@pytest.mark.parametrize("window", [256, 8192])
@pytest.mark.parametrize("name", ["hann", "sine"])
def test_full_scale_does_not_overflow(window: int, name: str) -> None:
    """The loudest that 16 bits hold: a constant, and a square wave."""
    square = np.sign(np.sin(np.arange(40000) * 0.5)).astype(np.float32)[:, None]
    for audio in (np.ones((40000, 1), np.float32), square):
        spectra = stft(audio, StftParams(sample_rate=8000, window=window, hop=window // 4, channels="mono", taper=name))
        assert np.abs(spectra).max() < 128  # of 65504


def test_samples_far_beyond_full_scale_are_one_line(tmp_path: Path) -> None:
    song = Song("Loud", "train", "train", 8000, 1000, 1)
    write_wav(tmp_path / "train" / "Loud" / "vocals.wav", [1e6 * np.ones((1000, 1), np.float32)], 8000, "FLOAT")
    Corpus(tmp_path, "loud", ("vocals",), (song,)).write()
    with pytest.raises(UserError, match=r"vocals\.wav: samples are far above full scale"):
        write_features(tmp_path, tmp_path / "features", PARAMS)


def test_every_truncation_and_any_wrong_header_is_one_line(corpus: Corpus, tmp_path: Path) -> None:
    write_features(corpus.root, tmp_path / "features", PARAMS)
    features = open_features(tmp_path / "features")
    path = tmp_path / "features" / "Mono.npz"
    good = path.read_bytes()
    for length in range(0, len(good), 7):
        path.write_bytes(good[:length])
        with pytest.raises(UserError, match=r"Mono\.npz.*delete the file and run the stage features again"):
            features.arrays("Mono")
    header = good.index(b"'shape': (1, 129")
    for bad in (b"'shape': (9, 129", b"'shape': (x, 129", b"'shape': ((( 129"):
        path.write_bytes(good[:header] + bad + good[header + len(bad) :])
        with pytest.raises(UserError, match=r"Mono\.npz"):
            features.arrays("Mono")
    path.write_bytes(good)
    assert features.arrays("Mono")["drums"].shape == (1, 129, 2, 2)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_other_npz_files_are_refused(corpus: Corpus, tmp_path: Path, write: object) -> None:
    write_features(corpus.root, tmp_path / "features", PARAMS)
    write(tmp_path / "features" / "Mono.npz", vocals=np.zeros((1, 2)))  # type: ignore[operator]
    with pytest.raises(UserError, match=r"Mono\.npz"):
        open_features(tmp_path / "features").arrays("Mono")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sources": 1, "stft": {}, "songs": []}', "\xff"])
def test_broken_index_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "features.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"features\.json"):
        open_features(tmp_path)


def test_missing_files_say_what_makes_them(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run the stage features first"):
        open_features(tmp_path)
    write_features(corpus.root, tmp_path / "features", PARAMS)
    with pytest.raises(UserError, match=r"Absent\.npz: no such file; run the stage features first"):
        open_features(tmp_path / "features").arrays("Absent")


def test_sizes_are_written_with_64_bits(tmp_path: Path) -> None:
    path = tmp_path / "song.npz"
    with zipfile.ZipFile(path, "w") as archive:
        write_member(archive, "vocals", (2, 3, 1, 2), iter([np.ones((2, 3, 1, 2), np.float16)]))
    local = path.read_bytes()
    assert local[18:26] == b"\xff" * 8  # so the local header says: look into the 64-bit field
    np.testing.assert_array_equal(map_npz(path)["vocals"], np.ones((2, 3, 1, 2)))


@settings(max_examples=200)
@given(values=st.lists(st.floats(-65519, 65519, width=32), min_size=1))
def test_half_is_numpys(values: list[float]) -> None:
    given_values = np.array(values, np.float32)
    np.testing.assert_array_equal(
        to_half(given_values).view(np.uint16), given_values.astype(np.float16).view(np.uint16)
    )


def test_conversions_are_numpys_at_every_half_and_between() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = np.sort(halves[np.isfinite(halves)])
    singles = halves.astype(np.float32)
    np.testing.assert_array_equal(to_single(halves).view(np.uint32), singles.view(np.uint32))
    middles = (singles[:-1] + singles[1:]) / 2
    for values in (singles, middles, np.nextafter(middles, np.float32(9e9)), np.nextafter(middles, np.float32(-9e9))):
        np.testing.assert_array_equal(to_half(values).view(np.uint16), values.astype(np.float16).view(np.uint16))
    np.testing.assert_array_equal(to_half(np.float32([[65520], [-1e30]])), np.float16([[np.inf], [-np.inf]]))


KILLED = """
import os, signal, sys
from pathlib import Path
from rnnsep.features import extraction as features
from rnnsep.signal.stft import StftParams

write = features.write_member
def dying(archive, name, shape, blocks):
    write(archive, name, shape, blocks)
    if Path(archive.filename).parent.joinpath("Plain.npz").exists():
        os.kill(os.getpid(), signal.SIGKILL)
features.write_member = dying
params = StftParams(sample_rate=8000, window=256, hop=128, channels="stereo", taper="hann")
features.write_features(Path(sys.argv[1]), Path(sys.argv[2]), params)
"""


def test_killed_goes_on_with_the_same_bytes(corpus: Corpus, tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(corpus.root), str(tmp_path / "killed")],
        env=os.environ | {"RNNSEP_WORKERS": "1"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "features.json").exists()
    for folder in ("killed", "calm"):
        write_features(corpus.root, tmp_path / folder, PARAMS)
    for path in (tmp_path / "calm").iterdir():
        assert path.read_bytes() == (tmp_path / "killed" / path.name).read_bytes()


def test_audio_file_is_an_audio(corpus: Corpus) -> None:
    song = corpus.of("train")[0]
    with AudioFile(corpus.root / "train" / song.name / "drums.wav") as audio:
        np.testing.assert_array_equal(stft(audio, PARAMS, 3, 9), stft(np.asarray(audio), PARAMS, 3, 9))
