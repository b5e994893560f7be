import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.features.storage import open_features
from rnnsep.layers.network import MaskNetwork
from rnnsep.learning.sampling import Sampler
from rnnsep.learning.schedule import rate_of_step
from rnnsep.learning.trainer import Trainer, spectra
from rnnsep.network.model import Model
from rnnsep.network.network import Architecture
from rnnsep.params import changed
from tests.learning.conftest import STFT
from tests.learning.small import RECIPE, SHORT
from tests.networks import random_network

PLAIN = {"rnn.dropout": 0.0, "training.averaging": 0.0}


def trainer_of(features, changes=None):
    """A trainer and a sampler of the training songs."""
    keras.utils.set_random_seed(0)
    opened = open_features(features)
    recipe = changed(RECIPE, SHORT | PLAIN | (changes or {}))
    network = MaskNetwork(Architecture.of(recipe.network, 2, opened.stft))
    return Trainer(network, recipe), Sampler(opened, "train", recipe.sampling, network.architecture.pooling.nb_bins)


def test_the_rate_rises_and_then_follows_the_cosine():
    steps = [0.0, 1.0, 2.0, 15.0, 30.0]
    rates = [float(rate_of_step(1.0, step, 30, RECIPE.training)) for step in steps]
    cosine = 0.5 * (1 + np.cos(np.pi * np.array(steps) / 30))
    np.testing.assert_allclose(rates, cosine * [1 / 3, 2 / 3, 1, 1, 1], atol=1e-6)


@pytest.mark.usefixtures("eager")
def test_the_gradient_of_the_whole_loss_agrees_with_finite_differences(features):
    trainer, sampler = trainer_of(features)
    batch = next(sampler.whole())
    loss, gradients = trainer.gradient(batch)
    direction = [np.random.default_rng(i).normal(size=g.shape) for i, g in enumerate(gradients)]
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, direction, strict=True))
    weights, step, losses = [w.numpy() for w in trainer.weights], 1e-3, []
    for sign in (1, -1):
        for weight, value, d in zip(trainer.weights, weights, direction, strict=True):
            weight.assign(value + sign * step * d)
        losses.append(trainer.gradient(batch)[0])
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=0.02)
    assert min(losses) < loss < max(losses)


@pytest.mark.usefixtures("eager")
def test_lbfgs_lowers_the_loss_over_all_songs(features):
    trainer, sampler = trainer_of(features, {"sampling.batch": 128, "optimizer.name": "lbfgs"})
    trainer.restart_averages()
    before = float(np.mean([trainer.gradient(batch)[0] for batch in sampler.whole()]))
    after = trainer.search(sampler.whole, 8)
    assert after < before - 0.1
    assert trainer.evaluate(sampler.whole()) == pytest.approx(after, rel=1e-4)


@pytest.mark.usefixtures("eager")
def test_the_sdr_is_that_of_the_masked_spectra_of_whole_songs(features):
    trainer, sampler = trainer_of(features, {"input.pooling": 1000.0, "sampling.frames": 20, "sampling.batch": 7})
    trainer.restart_averages()
    network, sequences = trainer.network, sampler.sequences()
    parts = [[source[start : start + 20] for source in sampler.songs[song]] for song, start in sequences]
    sources = np.array(parts, np.float32).view(np.complex64)[..., : network.architecture.pooling.nb_bins, :, 0]
    sources = sources.swapaxes(0, 1)  # (nb_sources, nb_sequences, nb_frames, nb_bins, nb_channels)
    mixture = sources.sum(axis=0)
    masks = network(network.see(mixture.real, mixture.imag)).numpy()
    masks = np.repeat(masks, network.architecture.pooling.widths, axis=-2)
    energies = np.zeros((2, len(sampler.songs), 2))
    for row, one in zip(energies, (sources, masks * mixture - sources), strict=True):
        np.add.at(row, [song for song, _ in sequences], np.sum(np.abs(one) ** 2, axis=(2, 3, 4)).T)
    expected = np.mean(10 * np.log10(energies[0] / energies[1]))
    assert trainer.sdr(sampler) == pytest.approx(expected, abs=1e-3)


def test_the_half_mixture_defect_halves_the_mixture_in_training_and_separation(features):
    trainer, sampler = trainer_of(features)
    batch = next(sampler.whole())
    halved = changed(RECIPE.network, {"defects.half_mixture": True})
    _, x, s, r = spectra(*batch, trainer.network)
    _, half_x, half_s, half_r = spectra(*batch, MaskNetwork(Architecture.of(halved, 2, STFT)))
    np.testing.assert_allclose(half_x, x / 2, rtol=1e-6)
    np.testing.assert_array_equal(half_s, s)
    np.testing.assert_allclose(half_r, r / 2, rtol=1e-5, atol=1e-6)
    linear = changed(RECIPE.network, {"input.compression": "linear"})
    model = Model(("low", "high"), STFT, (random_network(changed(linear, {"defects.half_mixture": True}), 2, STFT),))
    spectrum = np.random.default_rng(0).normal(size=(6, 129, 1)).astype(np.complex64)
    whole = Model(("low", "high"), STFT, (random_network(linear, 2, STFT),))
    np.testing.assert_allclose(model.masks(spectrum), whole.masks(spectrum / 2), atol=1e-6)
    assert np.abs(model.masks(spectrum) - whole.masks(spectrum)).max() > 1e-3


@pytest.mark.parametrize("changes", [{}, {"input.pooling": 500.0, "input.side": True}])
def test_spectra_are_those_of_the_mixed_sources(stereo_features, changes):
    opened = open_features(stereo_features)
    recipe = changed(RECIPE, SHORT | changes)
    network = MaskNetwork(Architecture.of(recipe.network, 2, opened.stft))
    sources, gains = next(Sampler(opened, "train", recipe.sampling, network.architecture.pooling.nb_bins).whole())
    u, x, s, r = (one.numpy() for one in spectra(tf.constant(sources), tf.constant(gains), network))
    parts = sources.astype(np.float32) * gains[:, :, None, :, None, None]
    complex_sources = parts.view(np.complex64)[..., 0]
    mixture = complex_sources.sum(axis=0)
    np.testing.assert_allclose(u, network.see(mixture.real, mixture.imag), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(x, u[..., :2])
    sums = network.architecture.pooling.sums
    np.testing.assert_allclose(s, np.sqrt(sums(np.abs(complex_sources) ** 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(r, sums((complex_sources * mixture.conj()).real), rtol=1e-3, atol=1e-4)
