from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.features.extraction import open_features, write_features
from rnnsep.learning.sampling import Sampler, SamplingParams
from rnnsep.learning.trainer import Trainer, TrainingParams, spectra
from rnnsep.network.model import Model
from rnnsep.network.network import Defects, MaskNetwork, make_network, seen
from rnnsep.params import ParamError, parse
from tests.learning.conftest import STFT, write_bands
from tests.learning.small import LOSS, NETWORK, SAMPLING, SHORT, TRAINING


def trainer_of(features: Path, sampling: SamplingParams = SAMPLING, **changes: object) -> tuple[Trainer, Sampler]:
    """A trainer and a sampler of the first training songs."""
    keras.utils.set_random_seed(0)
    opened = open_features(features)
    network = make_network(replace(NETWORK, dropout=0.0), 2, opened.stft)
    params = replace(TRAINING, averaging=0.0, **changes)  # type: ignore[arg-type]
    return Trainer(network, LOSS, params, sampling.steps), Sampler(opened, "train", sampling, network.nb_bins)


def test_the_rate_rises_and_then_follows_the_cosine(features: Path) -> None:
    network = MaskNetwork(NETWORK, 2, 10, 1)
    trainer = Trainer(network, LOSS, TRAINING, steps_per_epoch=10)
    rates = []
    for step in (0, 1, 2, 15, 30):
        trainer.optimizer.iterations.assign(step)
        rates.append(float(trainer.learning_rate(1.0)))
    cosine = 0.5 * (1 + np.cos(np.pi * np.array([0, 1, 2, 15, 30]) / 30))
    np.testing.assert_allclose(rates, cosine * [1 / 3, 2 / 3, 1, 1, 1], atol=1e-6)


@pytest.mark.usefixtures("eager")
def test_the_slope_of_the_whole_loss_is_that_of_finite_differences(features: Path) -> None:
    trainer, sampler = trainer_of(features)
    batch = next(sampler.whole())
    loss, gradients = trainer.slope(batch)
    direction = [np.random.default_rng(i).normal(size=g.shape) for i, g in enumerate(gradients)]
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, direction, strict=True))
    weights, step, losses = [w.numpy() for w in trainer.weights], 1e-3, []
    for sign in (1, -1):
        for weight, value, d in zip(trainer.weights, weights, direction, strict=True):
            weight.assign(value + sign * step * d)
        losses.append(trainer.slope(batch)[0])
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=0.02)
    assert min(losses) < loss < max(losses)


@pytest.mark.usefixtures("eager")
def test_lbfgs_lowers_the_loss_over_all_songs(features: Path) -> None:
    trainer, sampler = trainer_of(features, replace(SHORT, batch=32), optimizer="lbfgs")
    trainer.restart_averages()
    before = float(np.mean([trainer.slope(batch)[0] for batch in sampler.whole()]))
    after = trainer.search(sampler.whole, 8)
    assert after < before - 0.1
    assert trainer.evaluate(sampler.whole()) == pytest.approx(after, rel=1e-4)


@pytest.mark.parametrize("key", ["averaging", "weight_decay"])
def test_lbfgs_refuses_what_it_does_not_do(key: str) -> None:
    section = asdict(TRAINING) | {"optimizer": "lbfgs", "averaging": 0.0} | {key: 0.5}
    with pytest.raises(ParamError, match=rf"training\.{key}: must be 0"):
        parse(TrainingParams, section, "training")


@pytest.mark.usefixtures("eager")
def test_sgd_is_momentum_times_the_last_step_less_the_gradient(features: Path) -> None:
    trainer, sampler = trainer_of(features, optimizer="sgd", momentum=0.5, clip=1e9, warmup=0, schedule="constant")
    batch, velocity = next(sampler.whole()), 0.0
    expected = trainer.weights[-1].numpy().astype(np.float64)
    for _ in range(3):
        velocity = 0.5 * velocity - 0.1 * trainer.slope(batch)[1][-1]
        expected += velocity
        trainer.step(batch, 0.1)
        np.testing.assert_allclose(trainer.weights[-1], expected, atol=1e-5)


def test_with_the_defect_the_mixture_is_half_the_sum_of_its_targets(features: Path) -> None:
    trainer, sampler = trainer_of(features)
    batch = next(sampler.whole())
    halved = replace(NETWORK, defects=Defects(half_mixture=True, reset=0))
    _, x, s, r = spectra(*batch, trainer.network)
    _, half_x, half_s, half_r = spectra(*batch, make_network(halved, 2, STFT))
    np.testing.assert_allclose(half_x, x / 2, rtol=1e-6)
    np.testing.assert_array_equal(half_s, s)
    np.testing.assert_allclose(half_r, r / 2, rtol=1e-5, atol=1e-6)
    # masks see it, too, when they separate
    network = replace(NETWORK, input="linear", defects=Defects(half_mixture=True, reset=0))
    model = Model(("low", "high"), STFT, make_network(network, 2, STFT))
    spectrum = np.random.default_rng(0).normal(size=(6, 129, 1)).astype(np.complex64)
    whole = Model(("low", "high"), STFT, make_network(replace(network, defects=NETWORK.defects), 2, STFT))
    whole.network.set_weights(model.network.get_weights())
    np.testing.assert_allclose(model.masks(spectrum), whole.masks(spectrum / 2), atol=1e-6)
    assert np.abs(model.masks(spectrum) - whole.masks(spectrum)).max() > 1e-3


@pytest.mark.parametrize("changes", [{}, {"side": True}, {"pooling": 1000.0}, {"pooling": 500.0, "side": True}])
def test_a_network_sees_the_same_in_training_and_in_separation(tmp_path: Path, changes: dict[str, object]) -> None:
    write_bands(tmp_path / "corpus", seconds=0.5, nb_channels=2)
    params = replace(STFT, channels="stereo")
    write_features(tmp_path / "corpus", tmp_path / "features", params)
    opened = open_features(tmp_path / "features")
    network = make_network(replace(NETWORK, **changes), 2, params)  # type: ignore[arg-type]
    sources, gains = next(Sampler(opened, "train", SHORT, network.pooling.nb_bins).whole())
    u, x, s, r = (one.numpy() for one in spectra(tf.constant(sources), tf.constant(gains), network))
    parts = sources.astype(np.float32) * gains[:, :, None, :, None, None]
    complex_sources = parts.view(np.complex64)[..., 0]
    mixture = complex_sources.sum(axis=0)
    np.testing.assert_allclose(u, seen(mixture, network), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(x, u[..., :2])
    sums = network.pooling.sums
    np.testing.assert_allclose(s, np.sqrt(sums(np.abs(complex_sources) ** 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(r, sums((complex_sources * mixture.conj()).real), rtol=1e-3, atol=1e-4)
