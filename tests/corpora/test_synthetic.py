"""The embedded corpus: what a song must keep whatever its seed and length."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from rnnsep.corpora.synthetic.harmony import RANGES
from rnnsep.corpora.synthetic.render import SAMPLE_RATE, SOURCES, SyntheticParams, render, song_name
from rnnsep.corpora.synthetic.song import compose
from rnnsep.params import ParamError, parse

SONGS = range(4)
SECONDS = 10.0


@pytest.fixture(scope="module")
def songs():
    return [render(3, index, SECONDS) for index in SONGS]


def decibels(x):
    return 10.0 * np.log10(np.mean(np.square(x, dtype=np.float64)) / 32768.0**2 + 1e-12)


def digest(song):
    return hashlib.sha256(b"".join(song[name].tobytes() for name in sorted(song))).hexdigest()


def test_stems_add_up_exactly(songs):
    for song in songs:
        assert sorted(song) == sorted((*SOURCES, "mixture"))
        total = sum(song[source].astype(np.int64) for source in SOURCES)
        np.testing.assert_array_equal(song["mixture"], total)


def test_peak_is_one_decibel_below_full_scale(songs):
    for song in songs:
        assert max(np.abs(x.astype(int)).max() for x in song.values()) == pytest.approx(32767 * 10**-0.05, abs=4)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**40), index=st.integers(0, 500), seconds=st.sampled_from([1.0, 1.73, 2.5, 7.3]))
def test_any_length_renders_to_the_sample(seed, index, seconds):
    song = render(seed, index, seconds)
    for x in song.values():
        assert x.shape == (round(seconds * SAMPLE_RATE), 2)
        assert x.dtype == np.int16
        assert np.abs(x.astype(int)).max() > 300


def test_a_song_is_a_function_of_its_seed_and_index_only():
    first, again = render(7, 11, 2.0), render(7, 11, 2.0)
    assert digest(first) == digest(again)
    others = {digest(render(7, 12, 2.0)), digest(render(8, 11, 2.0))}
    assert len(others | {digest(first)}) == 3


def test_bytes_do_not_depend_on_threads_or_process():
    code = (
        "import hashlib; from rnnsep.corpora.synthetic.render import render; song = render(7, 11, 2.0);"
        "print(hashlib.sha256(b''.join(song[name].tobytes() for name in sorted(song))).hexdigest())"
    )
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "3")
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **threads}, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == digest(render(7, 11, 2.0))


def test_levels_are_those_of_music(songs):
    limits = {"vocals": (-11.0, -2.0), "drums": (-13.0, -2.0), "bass": (-13.0, -2.0), "other": (-12.0, -2.0)}
    for song in songs:
        loudness = decibels(song["mixture"])
        assert -21.0 < loudness < -12.0
        for source, (low, high) in limits.items():
            assert low < decibels(song[source]) - loudness < high, source


def test_every_stem_sounds_in_nearly_every_second(songs):
    for song in songs:
        for source in SOURCES:
            seconds = song[source].reshape(-1, SAMPLE_RATE, 2)
            assert all(np.any(second) for second in seconds), source
            assert np.mean([decibels(second) > -55.0 for second in seconds]) >= 0.8, source


def test_songs_begin_and_end_without_a_click(songs):
    for song in songs:
        for x in song.values():
            assert np.abs(x[[0, -1]].astype(int)).max() <= 40


def ideal_ratio_mask_sdr(song):
    """Median over seconds of the SDR (dB) of each source behind its ideal ratio mask."""
    spectra = {s: signal.stft(song[s].T / 32768.0, nperseg=2048)[2] for s in SOURCES}
    mixture = signal.stft(song["mixture"].T / 32768.0, nperseg=2048)[2]
    total = sum(np.abs(z) for z in spectra.values()) + 1e-12
    scores = {}
    for source, z in spectra.items():
        reference = song[source] / 32768.0
        estimate = signal.istft(np.abs(z) / total * mixture, nperseg=2048)[1].T[: len(reference)]
        # (nb_samples, channels) -> (seconds, all values of a second)
        frames = reference.reshape(int(SECONDS), -1)
        errors = (reference - estimate).reshape(int(SECONDS), -1)
        scores[source] = float(np.median(10.0 * np.log10((frames**2).sum(1) / ((errors**2).sum(1) + 1e-12))))
    return scores


def test_ideal_masks_score_as_on_real_music(songs):
    scores = [ideal_ratio_mask_sdr(song) for song in songs]
    for source in SOURCES:
        values = [score[source] for score in scores]
        assert min(values) > 2.0, source
        assert max(values) < 16.0, source
        assert 4.0 < np.median(values) < 12.0, source


def test_songs_differ(songs):
    scores = [compose(3, index, SECONDS) for index in range(40)]
    assert len({(s.style, s.key, s.mode, s.kit, s.bass_tone, s.voice) for s in scores}) > 35
    assert len({s.style for s in scores}) >= 6
    assert {s.voice for s in scores} == set(RANGES)
    for a in range(len(songs)):
        for b in range(a):
            for source in SOURCES:
                x, y = (songs[i][source].astype(float).ravel() for i in (a, b))
                assert abs((x * y).sum()) < 0.3 * np.sqrt((x * x).sum() * (y * y).sum()), source


@given(index=st.integers(0, 10_000), seconds=st.floats(1.0, 40.0))
@settings(max_examples=40, deadline=None)
def test_scores_stay_in_range(index, seconds):
    song = compose(0, index, seconds)
    low, high = RANGES[song.voice]
    assert all(low <= note.pitch <= high for note in song.melody)
    assert all(26 <= note.pitch <= 64 for note in song.bass)
    for part in (song.melody, song.bass, *(layer.notes for layer in song.layers), *song.backing):
        assert all(note.start >= 0 and note.duration > 0 and 0 < note.velocity <= 1 for note in part)
    assert all((song.melody, song.bass, song.drums, song.layers))


def test_some_basses_are_mono_and_no_stem_is_always():
    spread = {source: [] for source in SOURCES}
    for index in range(6):
        song = render(5, index, 1.0)
        for source in SOURCES:
            spread[source].append(bool((song[source][:, 0] == song[source][:, 1]).all()))
    assert any(spread["bass"])
    assert not any(all(mono) for mono in spread.values())


def test_names_are_unique_and_plain():
    names = [song_name(index) for index in range(1000)]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and " - " in name and "/" not in name for name in names)


GOOD = {"seed": 0, "train_songs": 2, "valid_songs": 1, "test_songs": 1, "seconds": 12.0, "soundfont": None}


def test_params_are_parsed():
    assert parse(SyntheticParams, GOOD, "corpus.synthetic") == SyntheticParams(**GOOD)


@pytest.mark.parametrize(
    ("key", "value"),
    [("seconds", 0.5), ("seed", -1), ("train_songs", 0), ("test_songs", 0), ("seconds", "long")],
)
def test_impossible_params_are_named(key, value):
    with pytest.raises(ParamError, match=f"corpus.synthetic.{key}"):
        parse(SyntheticParams, {**GOOD, key: value}, "corpus.synthetic")
