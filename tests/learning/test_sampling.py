from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsep.features.storage import Features, FeatureSong, open_features
from rnnsep.learning.sampling import Sampler, curves
from rnnsep.params import changed
from rnnsep.signal.stft import StftParams
from tests.learning.small import RECIPE

PARAMS = changed(RECIPE.sampling, {"frames": 16, "batch": 3, "steps": 4, "gain": 6.0})


class Numbered(Features):
    """Features without files: every value tells its song, source, frame, bin and channel apart."""

    def arrays(self, song):
        described = next(s for s in self.songs if s.name == song)
        nb_bins, nb_channels = self.stft.nb_bins, self.stft.nb_channels
        frames = np.arange(described.nb_frames)[:, None, None]
        bins, channels = np.arange(nb_bins)[None, :, None], np.arange(nb_channels)[None, None, :]
        index = self.songs.index(described)
        result = {}
        for j, source in enumerate(self.sources):
            real = frames + 0 * (bins + channels)
            imaginary = index + 100 * j + 10 * channels + 0.0 * frames + 0 * bins
            result[source] = np.stack([real, imaginary], axis=-1).astype(np.float16)
        return result


def numbered(*lengths, channels="stereo"):
    stft = StftParams(sample_rate=8000, window=16, hop=8, channels=channels, taper="hann")
    songs = tuple(FeatureSong(str(i), "train", n) for i, n in enumerate(lengths))
    return Numbered(Path(), ("a", "b"), stft, songs)


def test_a_batch_is_a_pure_function_of_seed_epoch_and_step(features):
    samplers = [Sampler(open_features(features), "train", PARAMS, 50) for _ in range(2)]
    first = samplers[0].batch(1, 2, 3)
    samplers[1].batch(7, 7, 7)
    again = samplers[1].batch(1, 2, 3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not np.array_equal(first.sources, samplers[0].batch(*other).sources)
    batches = list(samplers[0].epoch(1, 2))
    assert len(batches) == PARAMS.steps
    np.testing.assert_array_equal(batches[3].sources, first.sources)
    assert (first.sources.shape, first.sources.dtype) == ((2, 3, 16, 50, 1, 2), np.float16)
    assert first.gains.shape == (2, 3, 1)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 9), st.sampled_from(["mono", "stereo"]))
def test_a_sequence_is_a_run_of_frames_of_one_song_that_may_start_over(lengths, seed, channels):
    sampler = Sampler(numbered(*lengths, channels=channels), "train", replace(PARAMS, remix=1.0), 5)
    for sequence in np.concatenate(sampler.batch(seed, 0, 0).sources):
        frames, marks = sequence[:, 0, 0, 0], sequence[:, :, 0, 1]
        assert len(np.unique(marks)) == 1  # one song, source and channel
        length = lengths[int(marks[0, 0]) % 10]
        assert (np.diff(frames) % length == 1 % length).all()


def test_without_remixing_all_sources_are_of_one_place_and_with_it_they_are_not():
    features = numbered(400, 400, 400, 400, channels="mono")
    together = Sampler(features, "train", replace(PARAMS, remix=0.0, batch=20), 5).batch(0, 0, 0).sources
    np.testing.assert_array_equal(together[0, ..., 0], together[1, ..., 0])
    apart = Sampler(features, "train", replace(PARAMS, remix=1.0, batch=20), 5).batch(0, 0, 0).sources
    assert (apart[0, :, 0, 0, 0, 0] != apart[1, :, 0, 0, 0, 0]).mean() > 0.8


def test_half_of_the_channels_are_swapped_and_gains_are_uniform_in_decibels_within_the_limits():
    batch = Sampler(numbered(50), "train", replace(PARAMS, batch=500), 5).batch(0, 0, 0)
    swapped = batch.sources[0, :, 0, 0, 0, 1] > batch.sources[0, :, 0, 0, 1, 1]
    assert 0.4 < swapped.mean() < 0.6
    decibels = np.sort(20 * np.log10(batch.gains).flatten())
    np.testing.assert_allclose(decibels, np.linspace(-6, 6, len(decibels)), atol=0.5)
    assert np.abs(decibels).max() < 6.001
    assert (Sampler(numbered(50), "train", replace(PARAMS, gain=0.0), 5).batch(0, 0, 0).gains == 1).all()


def test_the_equaliser_filters_each_source_by_a_smooth_curve_of_its_own():
    features = numbered(50)
    params = replace(PARAMS, batch=400, gain=0.0, equaliser=2.0)
    batch = Sampler(features, "train", params, 9).batch(0, 0, 0)
    decibels = 20 * np.log10(batch.gains)
    assert decibels.shape == (2, 400, 9)
    shapes = curves(np.arange(9) * 500)
    np.testing.assert_allclose(decibels.std(axis=(0, 1)), 2 * np.sqrt(np.sum(shapes**2, axis=0)), rtol=0.1)
    weights, residual, *_ = np.linalg.lstsq(shapes.T, decibels.reshape(-1, 9).T)
    assert residual.max() < 1e-6 < np.abs(weights).min(axis=1).max()
    plain = Sampler(features, "train", replace(params, equaliser=0.0), 9).batch(0, 0, 0)
    np.testing.assert_array_equal(plain.sources, batch.sources)  # the songs are those without it


@pytest.mark.parametrize(
    ("lengths", "starts"), [((40, 16, 5), [0, 16, 0, 0]), ((15,), [0]), ((48, 47), [0, 16, 32, 0, 16])]
)
def test_whole_covers_the_songs_once_in_order(lengths, starts):
    batches = list(Sampler(numbered(*lengths, channels="mono"), "train", PARAMS, 5).whole())
    first_frames = np.concatenate([batch.sources[0, :, 0, 0, 0, 0] for batch in batches])
    assert first_frames[: len(starts)].tolist() == starts
    assert len(first_frames) - len(starts) < PARAMS.batch
    assert all((batch.gains == 1).all() for batch in batches)


def test_a_shift_moves_all_sources_but_the_first_by_multiples_of_it_around_the_song():
    # 0.02 s at 8000 Hz and a hop of 8 are 20 frames
    sampler = Sampler(numbered(90, 50, channels="mono"), "train", replace(PARAMS, remix=0.0, batch=200, shift=0.02), 5)
    sources = sampler.batch(0, 0, 0).sources
    first, second = sources[:, :, :, 0, 0, 0].astype(int)
    songs = sources[0, :, 0, 0, 0, 1].astype(int)
    np.testing.assert_array_equal(sources[1, :, 0, 0, 0, 1].astype(int) - 100, songs)
    for song, nb_frames, shifts in ((0, 90, {0, 20, 40, 60, 80}), (1, 50, {0, 20, 40})):
        moved = (second - first)[songs == song] % nb_frames
        assert (moved == moved[:, :1]).all()  # one shift a sequence
        assert set(moved[:, 0].tolist()) == shifts
