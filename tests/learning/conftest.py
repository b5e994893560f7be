"""A small corpus and its features: two bands of noise that a small network can tell apart."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from rnnsep.features.extraction import FeatureParams, write_features
from rnnsep.signal.stft import StftParams
from tests.sound import write_corpus

STFT = StftParams(sample_rate=8000, window=256, hop=128, channels="mono", taper="hann")


def write_bands(root, nb_train=4, seconds=2.0, nb_channels=1, nb_test=1):
    """A corpus of two sources, `low` and `high`: noise below and above 1 kHz, 8 kHz mono or stereo."""
    nb_samples, songs = int(seconds * 8000), {}
    time = np.arange(nb_samples)[:, None] / 8000
    frequency = np.fft.rfftfreq(nb_samples, 1 / 8000)[:, None]
    for index, split in enumerate(["train"] * nb_train + ["valid"] + ["test"] * nb_test):
        random, stems = np.random.default_rng(index), {}
        for name, band in {"low": frequency < 1000, "high": frequency >= 1000}.items():
            white = np.fft.rfft(random.normal(size=(nb_samples, nb_channels)), axis=0)
            envelope = np.abs(np.sin(np.pi * random.uniform(0.5, 2) * time + random.uniform(0, 3)))
            noise = envelope * np.fft.irfft(band * white, nb_samples, axis=0)
            stems[name] = np.round(3000 * noise).astype(np.int16)
        songs[f"{split}/Song {index}"] = 8000, stems | {"mixture": sum(stems.values())}
    return write_corpus(root, ("low", "high"), songs)


def features_of(corpus, folder, stft=STFT, speeds=()):
    """Write features; returns their folder."""
    write_features(corpus, folder, stft, FeatureParams(speeds=speeds))
    return folder


@pytest.fixture(scope="session")
def bands(tmp_path_factory):
    """Folder of the corpus."""
    return write_bands(tmp_path_factory.mktemp("bands") / "corpus").root


@pytest.fixture(scope="session")
def features(bands, tmp_path_factory):
    """Folder of its features."""
    return features_of(bands, tmp_path_factory.mktemp("bands") / "features")


@pytest.fixture(scope="session")
def stereo_features(tmp_path_factory):
    """Folder of the features of a stereo corpus and of copies at other speeds."""
    root = tmp_path_factory.mktemp("stereo")
    write_bands(root / "corpus", seconds=0.5, nb_channels=2)
    return features_of(root / "corpus", root / "features", replace(STFT, channels="stereo"), (0.944, 1.059))


@pytest.fixture
def eager():
    """Without compilation, which would take most of the time of a small training."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
