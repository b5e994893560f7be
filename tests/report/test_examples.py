"""Excerpts: which songs, which part of them, and which corpora have audio."""

import base64
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from rnnsep.report import examples
from rnnsep.signal.corpus import Corpus
from tests.report.conftest import make_run


class Fake:
    """A source with the given energies of its seconds."""

    def __init__(self, energies, rate=100):
        self.audio = np.sqrt(np.repeat(energies, rate))[:, None].astype(np.float32)
        self.nb_samples = len(self.audio)

    def __getitem__(self, part):
        return self.audio[part]


def test_the_best_the_median_and_the_worst_of_the_songs_with_scores_and_estimates(finished, tmp_path):
    corpus = Corpus.read(finished / "corpus")
    names = [song.name for song in corpus.songs]
    for scores, expected in (
        ([2.0, 5.0, np.nan, -1.0], [(1, "best"), (0, "median"), (3, "worst")]),
        ([np.nan, 1.0, np.nan, np.nan], [(1, "best")]),
    ):
        series = pd.Series(scores, index=names)
        found = examples.examples(corpus, finished / "estimates", series, "test")
        assert [(e.song, e.why) for e in found] == [(names[at], why) for at, why in expected]
        assert examples.examples(corpus, tmp_path, series, "test") == []


def test_tracks_are_the_mixture_then_each_sources_estimate_and_reference(finished):
    corpus = Corpus.read(finished / "corpus")
    song = corpus.songs[0]
    example = examples.example(corpus, finished / "estimates", song, "best", 1.0)
    pairs = [(source, kind) for source in ("vocals", "bass") for kind in ("estimate", "reference")]
    assert [(track.source, track.kind) for track in example.tracks] == [("mixture", "mixture"), *pairs]
    start, length = round(example.start * song.rate), song.rate
    assert example.seconds == 1.0
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(example.tracks[1].audio.split(",")[1])))
    given = np.asarray(soundfile.read(finished / "estimates" / song.name / "vocals.wav")[0])[start : start + length]
    assert rate == song.rate
    error = heard[: len(given)] - given[: len(heard)]
    assert np.sum(error**2) < 0.05 * np.sum(given**2)  # MP3 is lossy but in sync


def test_only_free_songs_of_the_split_have_audio(tmp_path):
    root = make_run(tmp_path / "run", names=("A",), rate=8000)
    corpus = Corpus.read(root / "corpus")
    twin = replace(corpus.songs[0], subset="train", split="train", nb_samples=80)
    for name in ("synthetic", "folder", "musdb18", "musdb18-7s", "musdb18-hq", "mir-1k"):
        described = replace(corpus, name=name, songs=(*corpus.songs, twin))
        (example,) = examples.examples(described, root / "estimates", pd.Series({"A": 1.0}), "test")
        assert example.seconds == 2.0
        assert all((track.audio is not None) is (name in ("synthetic", "folder")) for track in example.tracks)
        assert all(track.image.startswith("data:image/png;base64,") for track in example.tracks)


def test_excerpt_is_where_the_quietest_source_is_loudest():
    loud = Fake([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9.0])
    quiet = Fake([0, 0, 0, 1, 1, 0, 2, 2, 2, 2, 0, 0.0])
    assert [examples.busiest([loud, quiet], length) for length in (400, 1200, 5000)] == [600, 0, 0]


@pytest.mark.parametrize(("rate", "nb_channels"), [(8000, 1), (44100, 2), (96000, 6)])
def test_mp3_of_any_rate_and_number_of_channels(rate, nb_channels):
    audio = np.random.default_rng(0).normal(0, 0.5, (rate, nb_channels)).astype(np.float32)
    content = examples.mp3(audio, rate)
    assert content == examples.mp3(audio, rate)
    heard, heard_rate = soundfile.read(io.BytesIO(content), always_2d=True)
    assert heard_rate == (rate if rate <= 48000 else 44100)
    assert heard.shape[1] == {1: 1, 2: 2, 6: 1}[nb_channels]
    assert len(heard) / heard_rate == pytest.approx(1.0, abs=0.1)
    assert len(content) < 50_000
