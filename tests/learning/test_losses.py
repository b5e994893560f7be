"""Each loss against its formula written plainly in NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from rnnsep.learning.losses import LOSSES, loss_of
from tests.learning.small import RECIPE

SHAPE = (3, 2, 4, 5, 2)  # sources, batch, frames, bins, channels


def spectra(seed=0):
    """Masks, complex sources, complex mixture, in double precision; m, x, s, r are derived from them."""
    random = np.random.default_rng(seed)
    sources = random.normal(size=SHAPE) + 1j * random.normal(size=SHAPE)
    masks = random.uniform(0.05, 1, SHAPE)
    return masks / masks.sum(axis=0), sources, sources.sum(axis=0), np.abs(sources)


def tensors(seed=0):
    m, sources, mixture, s = spectra(seed)
    return [tf.constant(array) for array in (m, np.abs(mixture), s, (sources * mixture.conj()).real)]


def expected(name, m, sources, mixture):
    x, s = np.abs(mixture), np.abs(sources)
    if name == "magnitude":
        return float(np.mean((m * x - s) ** 2))
    if name == "mask":
        return float(np.mean((m - s / s.sum(axis=0)) ** 2))
    if name == "kl":
        return float(np.mean(s * np.log(s / (m * x)) - s + m * x))
    if name == "phase":
        return float(np.mean((m * x - s * np.cos(np.angle(sources) - np.angle(mixture))) ** 2))
    error = (np.abs(m * mixture - sources) ** 2).sum(axis=(-3, -2, -1))
    energy = (np.abs(mixture) ** 2).sum(axis=(-3, -2, -1))
    return float(np.mean(np.log(error / energy + 1e-3)))


@pytest.mark.parametrize("discrimination", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_formula_minus_that_of_every_other_source(name, discrimination):
    m, sources, mixture, _ = spectra()
    others = sum(expected(name, m, np.roll(sources, shift, axis=0), mixture) for shift in (1, 2))
    value = expected(name, m, sources, mixture) - discrimination * others
    for scale in (1.0, 1026.0):
        params = replace(RECIPE.loss, name=name, discrimination=discrimination, scale=scale)
        assert float(loss_of(params, *tensors())) == pytest.approx(scale * value, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_silence_gives_a_finite_loss_and_gradient(name):
    m = tf.constant(spectra()[0])
    zeros = tf.zeros_like(m)
    with tf.GradientTape() as tape:
        tape.watch(m)
        loss = LOSSES[name](m, zeros[0], zeros, zeros)
    assert np.isfinite(float(loss))
    assert np.isfinite(tape.gradient(loss, m).numpy()).all()


@pytest.mark.parametrize("segment", [1, 2, 4])
def test_sdr_of_segments_is_the_mean_over_them(segment):
    m, sources, mixture, _ = spectra()
    parts = [slice(start, start + segment) for start in range(0, SHAPE[2], segment)]
    means = [expected("sdr", m[:, :, one], sources[:, :, one], mixture[:, one]) for one in parts]
    loss = loss_of(replace(RECIPE.loss, name="sdr", segment=segment), *tensors())
    assert float(loss) == pytest.approx(np.mean(means), rel=1e-6)
