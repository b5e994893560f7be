"""Each loss against its formula written plainly in NumPy, and its gradient against finite differences."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnnsep.learning.losses import LOSSES, LossParams, loss_of
from tests.learning.small import RECIPE

SHAPE = (3, 2, 4, 5, 2)  # sources, batch, frames, bins, channels


def loss_params(**changes: Any) -> LossParams:
    return replace(RECIPE.loss, **changes)


def spectra(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Masks, complex sources, complex mixture, in double precision; m, x, s, r are derived from them."""
    random = np.random.default_rng(seed)
    sources = random.normal(size=SHAPE) + 1j * random.normal(size=SHAPE)
    masks = random.uniform(0.05, 1, SHAPE)
    return masks / masks.sum(axis=0), sources, sources.sum(axis=0), np.abs(sources)


def tensors(seed: int = 0) -> list[tf.Tensor]:
    m, sources, mixture, s = spectra(seed)
    return [tf.constant(array) for array in (m, np.abs(mixture), s, (sources * mixture.conj()).real)]


def expected(name: str, m: np.ndarray, sources: np.ndarray, mixture: np.ndarray) -> float:
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


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_formula(name: str) -> None:
    m, sources, mixture, _ = spectra()
    loss = loss_of(loss_params(name=name), *tensors())
    assert float(loss) == pytest.approx(expected(name, m, sources, mixture), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_discrimination_subtracts_the_loss_against_every_other_source(name: str) -> None:
    m, sources, mixture, _ = spectra()
    others = sum(expected(name, m, np.roll(sources, shift, axis=0), mixture) for shift in (1, 2))
    loss = loss_of(loss_params(name=name, discrimination=0.1), *tensors())
    assert float(loss) == pytest.approx(expected(name, m, sources, mixture) - 0.1 * others, rel=1e-6)


@pytest.mark.parametrize("discrimination", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_the_slope(name: str, discrimination: float) -> None:
    m, *data = tensors()
    params = loss_params(name=name, discrimination=discrimination)
    direction = tf.constant(np.random.default_rng(1).normal(size=SHAPE))
    with tf.GradientTape() as tape:
        tape.watch(m)
        loss = loss_of(params, m, *data)
    slope = float(tf.reduce_sum(tape.gradient(loss, m) * direction))
    step = 1e-5
    ahead, behind = (loss_of(params, m + sign * step * direction, *data) for sign in (1, -1))
    assert slope == pytest.approx(float(ahead - behind) / (2 * step), rel=1e-4)


@pytest.mark.parametrize("name", ["magnitude", "mask", "kl", "phase", "sdr"])
def test_no_mask_beats_the_one_that_the_loss_is_made_for(name: str) -> None:
    _, x, s, r = tensors()
    best = {"magnitude": s / x, "mask": s / tf.reduce_sum(s, 0), "kl": s / x, "phase": r / x**2, "sdr": r / x**2}[name]
    at_best = float(LOSSES[name](best, x, s, r))
    for seed in range(3):
        other = best + 0.05 * np.random.default_rng(seed).normal(size=SHAPE)
        assert float(LOSSES[name](tf.abs(other), x, s, r)) > at_best


@pytest.mark.parametrize("name", LOSSES)
def test_silence_gives_a_finite_loss_and_gradient(name: str) -> None:
    m = tf.constant(spectra()[0])
    zeros = tf.zeros_like(m)
    with tf.GradientTape() as tape:
        tape.watch(m)
        loss = LOSSES[name](m, zeros[0], zeros, zeros)
    assert np.isfinite(float(loss))
    assert np.isfinite(tape.gradient(loss, m).numpy()).all()


def test_the_discriminative_loss_of_two_sources_is_that_of_the_paper() -> None:
    """Huang et al. (2014), equation 5, divided by the number of values."""
    random = np.random.default_rng(0)
    y = np.abs(random.normal(size=(2, 4, 5)))
    x = np.abs(random.normal(size=(4, 5)))
    a = random.normal(size=(2, 4, 5))
    s = np.abs(a) / np.abs(a).sum(axis=0) * x
    paper = np.sum((s[0] - y[0]) ** 2) + np.sum((s[1] - y[1]) ** 2)
    paper -= 0.05 * (np.sum((s[0] - y[1]) ** 2) + np.sum((s[1] - y[0]) ** 2))
    arrays = [tf.constant(one.reshape(*one.shape[:-2], 1, 4, 5, 1)) for one in (s / x, x, y, y)]
    loss = loss_of(loss_params(name="magnitude", discrimination=0.05), *arrays)
    assert float(loss) == pytest.approx(paper / y.size, rel=1e-9)


def test_the_scale_is_a_factor() -> None:
    arrays = tensors()
    plain = loss_of(loss_params(name="magnitude", discrimination=0.1), *arrays)
    assert float(loss_of(loss_params(name="magnitude", discrimination=0.1, scale=1026.0), *arrays)) == pytest.approx(
        1026 * float(plain)
    )


@pytest.mark.parametrize("segment", [1, 2, 4])
def test_sdr_of_segments_is_the_mean_over_them(segment: int) -> None:
    m, sources, mixture, _ = spectra()
    parts = [slice(start, start + segment) for start in range(0, SHAPE[2], segment)]
    means = [expected("sdr", m[:, :, one], sources[:, :, one], mixture[:, one]) for one in parts]
    loss = loss_of(loss_params(name="sdr", segment=segment), *tensors())
    assert float(loss) == pytest.approx(np.mean(means), rel=1e-6)
