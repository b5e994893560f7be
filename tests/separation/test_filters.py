import warnings

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsep.separation.filters import SHARE, Wiener, make_filter, tempered

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # norbert 0.2.1 imports from scipy.ndimage.filters
    import norbert


def mixture_and_masks(nb_sources, nb_frames, nb_bins, nb_channels, mask_channels, seed=0):
    random = np.random.default_rng(seed)
    parts = random.standard_normal((2, nb_frames, nb_bins, nb_channels))
    masks = random.random((nb_sources, nb_frames, nb_bins, mask_channels)).astype(np.float32) ** 2
    return (parts[0] + 1j * parts[1]).astype(np.complex64), masks / masks.sum(axis=0)


sizes = st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 4))  # nb_sources, nb_frames, nb_channels


@pytest.mark.parametrize("name", ["mask", "wiener"])
@settings(max_examples=20)
@given(sizes=sizes, per_channel=st.booleans(), gain=st.sampled_from([1e-6, 1, 1e4]))
def test_estimates_sum_to_the_mixture(name, sizes, per_channel, gain):
    nb_sources, nb_frames, nb_channels = sizes
    mixture, masks = mixture_and_masks(nb_sources, nb_frames, 5, nb_channels, nb_channels if per_channel else 1)
    mixture *= np.float32(gain)
    estimates = make_filter(name, mixture, masks)(0, nb_frames)
    assert estimates.shape == (nb_sources, *mixture.shape)
    assert estimates.dtype == np.complex64
    np.testing.assert_allclose(estimates.sum(axis=0), mixture, atol=2e-3 * gain)  # 2-norm condition 1 / SHARE
    if name == "mask" or nb_channels == 1:
        np.testing.assert_array_equal(estimates, masks * mixture)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 1.5, 10.0])
def test_temperature_is_that_of_the_softmax(temperature):
    y = np.random.default_rng(0).normal(size=(4, 7, 5, 2))
    masks = scipy.special.softmax(y, axis=0).astype(np.float32)
    expected = scipy.special.softmax(y / temperature, axis=0)
    np.testing.assert_allclose(tempered(masks, temperature), expected, rtol=1e-5, atol=1e-7)


def test_temperature_keeps_the_sum_over_the_sources_at_every_scale():
    masks = np.random.default_rng(0).uniform(0.2, 1, size=(3, 7, 5, 1)).astype(np.float32)  # as of kind sigmoid
    masks[:, 0] = 0
    softer = tempered(masks, 3)
    assert softer.dtype == np.float32
    np.testing.assert_allclose(softer.sum(axis=0), masks.sum(axis=0), rtol=1e-5)
    assert np.all(np.ptp(softer[:, 1:], axis=0) < np.ptp(masks[:, 1:], axis=0))
    for temperature in (0.1, 10):
        small = tempered(masks * np.float32(1e-12), temperature) * np.float32(1e12)
        np.testing.assert_allclose(small, tempered(masks, temperature), rtol=1e-4)


@pytest.mark.parametrize("mask_channels", [1, 2])
def test_wiener_is_norberts(mask_channels):
    mixture, masks = mixture_and_masks(4, 60, 17, 2, mask_channels)
    spectra = np.sqrt(masks) * np.abs(mixture)  # as norbert takes them: (nb_frames, nb_bins, channels, sources)
    peer = norbert.wiener(spectra.transpose(1, 2, 3, 0).astype(float), mixture.astype(complex), 1, False)
    ours = Wiener(mixture, masks, np.asarray)(0, 60)
    error = np.linalg.norm(ours - peer.transpose(3, 0, 1, 2)) / np.linalg.norm(mixture)
    assert error < 20 * SHARE  # what separates the two is the noise term


@pytest.mark.parametrize("nb_channels", [2, 3])
def test_wiener_stands_silence_and_equal_channels(nb_channels):
    mixture, masks = mixture_and_masks(2, 40, 9, nb_channels, 1)
    mixture[:] = mixture[..., :1]
    mixture[10:20] = 0
    mixture[:, 3] = 0
    masks[0, :, 5], masks[1, :, 5] = 1, 0
    estimates = Wiener(mixture, masks, np.asarray)(0, 40)
    assert np.isfinite(estimates).all()
    np.testing.assert_allclose(estimates.sum(axis=0), mixture, atol=2e-3)
    np.testing.assert_allclose(estimates, masks * mixture, atol=5e-3)
    assert not estimates[:, 10:20].any()


@pytest.mark.parametrize("name", ["mask", "wiener"])
def test_frames_alone_are_the_frames_of_the_whole_and_inputs_stay(name):
    mixture, masks = mixture_and_masks(3, 50, 5, 2, 2)
    before = mixture.copy(), masks.copy()
    estimate = make_filter(name, mixture, masks)
    np.testing.assert_allclose(estimate(0, 50)[:, 13:37], estimate(13, 37), atol=1e-6)
    np.testing.assert_array_equal(mixture, before[0])
    np.testing.assert_array_equal(masks, before[1])
