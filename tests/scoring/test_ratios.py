"""uSDR and SI-SDR against their formulas in plain NumPy."""

import math

import numpy as np
import pytest

from rnnsep.scoring import ratios
from rnnsep.scoring.ratios import song_ratios


def signals(nb_samples=5000, nb_channels=2, noise=0.3, seed=0):
    random = np.random.default_rng(seed)
    reference = random.standard_normal((nb_samples, nb_channels))
    return reference, 0.8 * reference + noise * random.standard_normal(reference.shape)


def usdr(reference, estimate):
    return 10 * np.log10(np.sum(reference**2) / np.sum((reference - estimate) ** 2))


def si_sdr(reference, estimate):
    reference, estimate = reference.ravel(), estimate.ravel()
    target = np.dot(reference, estimate) / np.dot(reference, reference) * reference
    return 10 * np.log10(np.sum(target**2) / np.sum((target - estimate) ** 2))


@pytest.mark.parametrize("nb_channels", [1, 2])
@pytest.mark.parametrize("noise", [3.0, 0.3, 1e-5, 1e-9])
@pytest.mark.parametrize("chunk", [1 << 16, 64])
def test_formulas(monkeypatch, chunk, nb_channels, noise):
    monkeypatch.setattr(ratios, "CHUNK", chunk)
    reference, estimate = signals(nb_channels=nb_channels, noise=noise)
    expected = {"uSDR": usdr(reference, estimate), "SI-SDR": si_sdr(reference, estimate)}
    assert song_ratios(reference, estimate) == pytest.approx(expected, abs=1e-5)


def test_si_sdr_ignores_a_gain_of_the_song_but_not_of_a_channel():
    reference, estimate = signals()
    assert song_ratios(reference, 3 * estimate)["SI-SDR"] == pytest.approx(si_sdr(reference, estimate), abs=1e-9)
    panned = estimate * [1.0, 0.5]
    assert song_ratios(reference, panned)["SI-SDR"] == pytest.approx(si_sdr(reference, panned), abs=1e-9)
    assert song_ratios(reference, panned)["SI-SDR"] < si_sdr(reference, estimate) - 1


@pytest.mark.parametrize("length", [3000, 7000])
def test_the_estimate_is_trimmed_or_padded(length):
    reference, estimate = signals()
    changed = np.concatenate((estimate, np.ones((2000, 2))))[:length]
    wanted = np.concatenate((changed, np.zeros((2000, 2))))[:5000]
    expected = {"uSDR": usdr(reference, wanted), "SI-SDR": si_sdr(reference, wanted)}
    assert song_ratios(reference, changed) == pytest.approx(expected, abs=1e-9)


def test_silence_and_estimates_without_error():
    reference, _ = signals()
    silence = np.zeros_like(reference)
    assert all(math.isnan(score) for score in song_ratios(silence, reference).values())
    silent = song_ratios(reference, silence)
    assert silent["uSDR"] == 0
    assert math.isnan(silent["SI-SDR"])
    assert song_ratios(reference, reference) == {"uSDR": math.inf, "SI-SDR": math.inf}
    doubled = song_ratios(reference, 2 * reference)
    assert doubled["uSDR"] == pytest.approx(0)
    assert doubled["SI-SDR"] == math.inf
    silence[10] = math.nan
    assert all(math.isnan(score) for score in song_ratios(reference, silence).values())
