"""A small corpus and its features: two bands of noise that a small network can tell apart."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rnnsep.features.extraction import FeatureParams, write_features
from rnnsep.signal.corpus import Corpus, Song
from rnnsep.signal.stft import StftParams
from rnnsep.signal.writing import write_wav

STFT = StftParams(sample_rate=8000, window=256, hop=128, channels="mono", taper="hann")


def write_bands(root: Path, nb_train: int = 4, seconds: float = 2.0, nb_channels: int = 1, nb_test: int = 1) -> Corpus:
    """A corpus of two sources, `low` and `high`: noise below and above 1 kHz, 8 kHz mono or stereo."""
    songs = []
    for index in range(nb_train + 1 + nb_test):
        split = "train" if index < nb_train else "valid" if index == nb_train else "test"
        subset = "test" if split == "test" else "train"
        random = np.random.default_rng(index)
        nb_samples = int(seconds * 8000)
        time = np.arange(nb_samples)[:, None] / 8000
        frequency = np.fft.rfftfreq(nb_samples, 1 / 8000)[:, None]
        stems = {}
        for name, band in {"low": frequency < 1000, "high": frequency >= 1000}.items():
            noise = np.fft.irfft(
                band * np.fft.rfft(random.normal(size=(nb_samples, nb_channels)), axis=0), nb_samples, axis=0
            )
            envelope = np.abs(np.sin(np.pi * random.uniform(0.5, 2) * time + random.uniform(0, 3)))
            stems[name] = np.round(3000 * envelope * noise)
        stems["mixture"] = stems["low"] + stems["high"]
        song = Song(f"Song {index}", subset, split, 8000, len(time), nb_channels)
        for name, samples in stems.items():
            write_wav(root / subset / song.name / f"{name}.wav", [samples.astype(np.int16)], 8000)
        songs.append(song)
    corpus = Corpus(root, "bands", ("low", "high"), tuple(sorted(songs, key=lambda song: (song.subset, song.name))))
    corpus.write()
    return corpus


def features_of(corpus: Path, folder: Path, stft: StftParams = STFT, speeds: tuple[float, ...] = ()) -> Path:
    """Write features in this process, which is faster; returns their folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RNNSEP_WORKERS", "1")
        write_features(corpus, folder, stft, FeatureParams(speeds=speeds))
    return folder


@pytest.fixture(scope="session")
def bands(tmp_path_factory) -> Path:
    """Folder of the corpus."""
    return write_bands(tmp_path_factory.mktemp("bands") / "corpus").root


@pytest.fixture(scope="session")
def features(bands, tmp_path_factory) -> Path:
    """Folder of its features."""
    return features_of(bands, tmp_path_factory.mktemp("bands") / "features")


@pytest.fixture(scope="session")
def stereo_features(tmp_path_factory) -> Path:
    """Folder of the features of a stereo corpus and of copies at other speeds."""
    root = tmp_path_factory.mktemp("stereo")
    write_bands(root / "corpus", seconds=0.5, nb_channels=2)
    return features_of(root / "corpus", root / "features", replace(STFT, channels="stereo"), (0.944, 1.059))


@pytest.fixture
def eager() -> Iterator[None]:
    """Without compilation, which would take most of the time of a small training."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
