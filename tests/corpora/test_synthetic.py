"""The synthetic corpus: what a song must keep whatever its seed and length."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from rnnsep.corpora.synthetic.corpus import song_name
from rnnsep.corpora.synthetic.harmony import RANGES
from rnnsep.corpora.synthetic.render import SAMPLE_RATE, SOURCES, render
from rnnsep.corpora.synthetic.song import compose
from tests.processes import run

SONGS = range(3)
SECONDS = 6.0


@pytest.fixture(scope="module")
def songs():
    return [render(3, index, SECONDS) for index in SONGS]


def decibels(x):
    return 10.0 * np.log10(np.mean(np.square(x, dtype=np.float64)) / 32768.0**2 + 1e-12)


def digest(song):
    return hashlib.sha256(b"".join(song[name].tobytes() for name in sorted(song))).hexdigest()


def test_stems_add_up_exactly_and_peak_one_decibel_below_full_scale(songs):
    for song in songs:
        assert sorted(song) == sorted((*SOURCES, "mixture"))
        np.testing.assert_array_equal(song["mixture"], sum(song[source].astype(np.int64) for source in SOURCES))
        assert max(np.abs(x.astype(int)).max() for x in song.values()) == pytest.approx(32767 * 10**-0.05, abs=4)
        for x in song.values():  # no click at the ends
            assert np.abs(x[[0, -1]].astype(int)).max() <= 40


@settings(max_examples=4)
@given(seed=st.integers(0, 2**40), index=st.integers(0, 500), seconds=st.sampled_from([1.0, 1.73, 2.5]))
def test_any_length_renders_to_the_sample(seed, index, seconds):
    song = render(seed, index, seconds)
    for x in song.values():
        assert x.shape == (round(seconds * SAMPLE_RATE), 2)
        assert x.dtype == np.int16
        assert np.abs(x.astype(int)).max() > 300


def test_a_song_is_a_function_of_its_seed_and_index_only():
    code = "from tests.corpora.test_synthetic import digest, render; print(digest(render(7, 11, 1.0)))"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "3")
    _, printed, _ = run("-c", code, **threads)
    digests = [digest(render(seed, index, 1.0)) for seed, index in ((7, 11), (7, 12), (8, 11))]
    assert digests[0] == printed.strip()
    assert len(set(digests)) == 3


def test_every_stem_sounds_in_nearly_every_second(songs):
    for song in songs:
        for source in SOURCES:
            seconds = song[source].reshape(-1, SAMPLE_RATE, 2)
            assert all(np.any(second) for second in seconds), source
            assert np.mean([decibels(second) > -55.0 for second in seconds]) >= 0.8, source


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
    assert len({(s.style, s.melody[-1].pitch, s.kit, s.bass_tone, s.voice) for s in scores}) > 35
    assert len({s.style for s in scores}) >= 6
    assert {s.voice for s in scores} == set(RANGES)
    for a in range(len(songs)):
        for b in range(a):
            for source in SOURCES:
                x, y = (songs[i][source].astype(float).ravel() for i in (a, b))
                assert abs((x * y).sum()) < 0.3 * np.sqrt((x * x).sum() * (y * y).sum()), source


@given(index=st.integers(0, 10_000), seconds=st.floats(1.0, 40.0))
@settings(max_examples=40)
def test_scores_stay_in_range(index, seconds):
    song = compose(0, index, seconds)
    low, high = RANGES[song.voice]
    assert all(low <= note.pitch <= high for note in song.melody)
    assert all(26 <= note.pitch <= 64 for note in song.bass)
    for part in (song.melody, song.bass, *song.layers.values(), *song.backing):
        assert all(note.start >= 0 and note.duration > 0 and 0 < note.velocity <= 1 for note in part)
    assert all((song.melody, song.bass, song.drums, song.layers))


def test_names_are_unique_and_plain():
    names = [song_name(index) for index in range(1000)]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and " - " in name and "/" not in name for name in names)
