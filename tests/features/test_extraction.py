"""Feature files: the sources' spectra, the same bytes again, and one clear line for each kind of damage."""

from dataclasses import replace

import numpy as np
import pytest

from rnnsep.features.extraction import FeatureParams, to_half, write_features
from rnnsep.features.storage import open_features, write_array
from rnnsep.running.errors import UserError
from rnnsep.signal.resampling import resampled
from rnnsep.signal.stft import StftParams, stft
from rnnsep.signal.streams import with_channels
from tests.sound import noise, write_corpus

PARAMS = StftParams(sample_rate=8000, window=256, hop=128, channels="stereo", taper="hann")
SOURCES = ("vocals", "drums")
NAMES = ["Plain", 'It\'s [über] "quoted"', "Mono"]


@pytest.fixture
def corpus(tmp_path):
    shapes = {
        f"train/{NAMES[0]}": (8000, 5000, 2),
        f"train/{NAMES[1]}": (11025, 4001, 2),
        f"valid/{NAMES[2]}": (8000, 1, 1),
        "test/Tested": (8000, 100, 2),
    }
    songs = {
        place: (rate, {source: noise(*shape, seed) for seed, source in enumerate(SOURCES)})
        for place, (rate, *shape) in shapes.items()
    }
    return write_corpus(tmp_path / "corpus", SOURCES, songs)


@pytest.mark.parametrize("channels", ["mono", "stereo"])
def test_features_are_the_spectra_of_sources_at_each_speed(corpus, tmp_path, channels):
    params = replace(PARAMS, channels=channels)
    write_features(corpus.root, tmp_path / "features", params, FeatureParams(speeds=(1.0, 0.75, 0.75, 1.059)))
    features = open_features(tmp_path / "features")
    assert (features.sources, features.stft) == (SOURCES, params)
    faster = [(f"x{speed}/{name}", "train") for speed in ("0.750", "1.059") for name in NAMES[:2]]
    assert [(song.name, song.split) for song in features.songs] == [
        *((song.name, song.split) for song in corpus.of("train")), *faster
    ]  # fmt: skip
    for written in features.songs:
        song = next(one for one in corpus.songs if one.name == written.name.split("/")[-1])
        up, down = {"x0.750": (3, 4), "x1.059": (18, 17)}.get(written.name.split("/")[0], (1, 1))
        arrays = features.arrays(written.name)
        assert tuple(arrays) == SOURCES
        for source, array in arrays.items():
            audio = resampled(corpus.stem(song, source), up * song.rate, down * params.sample_rate)
            expected = with_channels(stft(audio, params), params.nb_channels)
            assert array.dtype == np.float16
            assert array.shape == (written.nb_frames, params.nb_bins, params.nb_channels, 2)
            np.testing.assert_allclose(array[..., 0] + 1j * array[..., 1], expected, atol=2e-6, rtol=2**-10)
            assert not array.flags.writeable


def test_an_interrupted_run_is_resumed_with_the_same_bytes(corpus, tmp_path):
    broken = corpus.root / "train" / NAMES[1] / "drums.wav"
    good = broken.read_bytes()
    broken.write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"drums\.wav"):
        write_features(corpus.root, tmp_path / "resumed", PARAMS)
    kept = tmp_path / "resumed" / f"{NAMES[0]}.npy"
    assert list(kept.parent.iterdir()) == [kept]
    made = kept.stat().st_mtime_ns
    broken.write_bytes(good)
    for folder in ("resumed", "calm"):
        write_features(corpus.root, tmp_path / folder, PARAMS)
    assert kept.stat().st_mtime_ns == made
    names = sorted(path.name for path in (tmp_path / "calm").iterdir())
    assert names == sorted(["features.json", *(f"{name}.npy" for name in NAMES)])
    for name in names:
        assert (tmp_path / "calm" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()


@pytest.mark.parametrize("window", [256, 8192])
@pytest.mark.parametrize("name", ["hann", "sine"])
def test_full_scale_does_not_overflow(window, name):
    """The loudest that 16 bits hold: a constant, and a square wave."""
    square = np.sign(np.sin(np.arange(40000) * 0.5)).astype(np.float32)[:, None]
    for audio in (np.ones((40000, 1), np.float32), square):
        spectra = stft(audio, StftParams(sample_rate=8000, window=window, hop=window // 4, channels="mono", taper=name))
        assert np.abs(spectra).max() < 128  # of 65504


def test_samples_far_beyond_full_scale_are_one_line(tmp_path):
    write_corpus(tmp_path, ["vocals"], {"train/Loud": (8000, {"vocals": np.full((1000, 1), 1e6, np.float32)})}, "FLOAT")
    with pytest.raises(UserError, match=r"vocals\.wav: samples are far above full scale"):
        write_features(tmp_path, tmp_path / "features", PARAMS)


def saved(array, save=np.save):
    def spoil(path, good):
        with open(path, "wb") as file:
            save(file, array)

    return spoil


SHAPE = (2, 1, 129, 2, 2)
SPOILT = {
    "empty": lambda path, _: path.write_bytes(b""),
    "cut header": lambda path, good: path.write_bytes(good[:50]),
    "cut data": lambda path, good: path.write_bytes(good[:-1]),
    "more data": lambda path, good: path.write_bytes(good + b"\0"),
    "more frames declared": lambda path, good: path.write_bytes(good.replace(b"(2, 1, 129", b"(2, 9, 129")),
    "no shape": lambda path, good: path.write_bytes(good.replace(b"(2, 1, 129", b"(2, x, 129")),
    "open brackets": lambda path, good: path.write_bytes(good.replace(b"(2, 1, 129", b"(((, 1, 129")),
    "another type": saved(np.zeros(SHAPE, np.float32)),
    "another order": saved(np.asfortranarray(np.zeros(SHAPE, np.float16))),
    "other bins": saved(np.zeros((2, 1, 128, 2, 2), np.float16)),
    "fewer sources": saved(np.zeros((1, 1, 129, 2, 2), np.float16)),
    "objects": saved(np.array([None])),
    "npz": saved(np.zeros(SHAPE, np.float16), np.savez),
}


def test_damage_is_one_line_that_says_what_makes_the_file(corpus, tmp_path):
    with pytest.raises(UserError, match=r"features\.json: no such file; run the stage features first"):
        open_features(tmp_path / "features")
    write_features(corpus.root, tmp_path / "features", PARAMS)
    features = open_features(tmp_path / "features")
    with pytest.raises(UserError, match=r"Absent\.npy: no such file; run the stage features first"):
        features.arrays("Absent")
    path = tmp_path / "features" / "Mono.npy"
    good = path.read_bytes()
    for what, spoil in SPOILT.items():
        spoil(path, good)
        with pytest.raises(UserError, match=r"Mono\.npy.*delete the file and run the stage features again") as caught:
            pytest.fail(f"{what}: {features.arrays('Mono')}")
        assert "\n" not in str(caught.value)
    path.write_bytes(good)
    assert features.arrays("Mono")["drums"].shape == (1, 129, 2, 2)
    (tmp_path / "features" / "features.json").write_text('{"sources": 1, "stft": {}, "songs": []}')
    with pytest.raises(UserError, match=r"features\.json"):
        open_features(tmp_path / "features")


def test_an_array_of_another_size_than_declared_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="3 values"):
        write_array(tmp_path / "a.npy", (2, 2), iter([np.zeros(3, np.float16)]))
    assert list(tmp_path.iterdir()) == []


def test_half_is_numpys_at_every_half_and_between():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = np.sort(halves[np.isfinite(halves)])
    singles = halves.astype(np.float32)
    middles = (singles[:-1] + singles[1:]) / 2
    for values in (singles, middles, np.nextafter(middles, np.float32(9e9)), np.nextafter(middles, np.float32(-9e9))):
        np.testing.assert_array_equal(to_half(values).view(np.uint16), values.astype(np.float16).view(np.uint16))
    np.testing.assert_array_equal(to_half(np.float32([[65520], [-1e30]])), np.float16([[np.inf], [-np.inf]]))
