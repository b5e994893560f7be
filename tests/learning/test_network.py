from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.learning.network import MaskNetwork, NetworkParams, soft_mask

PARAMS = NetworkParams("gru", 2, 6, False, 0.0, 4000.0, "log", "softmax")


def magnitudes(nb_batch: int = 2, nb_frames: int = 5, nb_bins: int = 9, nb_channels: int = 2) -> np.ndarray:
    return np.abs(np.random.default_rng(0).normal(size=(nb_batch, nb_frames, nb_bins, nb_channels))).astype(np.float32)


@pytest.mark.parametrize("mask", ["softmax", "relu", "abs"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "vanilla"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_masks_sum_to_one_and_are_not_negative(mask: str, cell: str, bidirectional: bool) -> None:
    params = replace(PARAMS, mask=mask, cell=cell, bidirectional=bidirectional)
    masks = MaskNetwork(params, nb_sources=4, nb_bins=9, nb_channels=2)(magnitudes()).numpy()
    assert masks.shape == (4, 2, 5, 9, 2)
    assert masks.min() >= 0
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["softmax", "relu", "abs"])
def test_a_soft_mask_is_its_formula(kind: str) -> None:
    y = np.random.default_rng(0).normal(size=(3, 2, 4))
    positive = {"softmax": np.exp(y), "relu": np.maximum(y, 0) + 1e-10, "abs": np.abs(y) + 1e-10}[kind]
    np.testing.assert_allclose(soft_mask(tf.constant(y), kind), positive / positive.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("kind", ["relu", "abs"])
def test_heads_that_are_all_zero_share_equally(kind: str) -> None:
    np.testing.assert_allclose(soft_mask(tf.fill((4, 3), -0.0), kind), 0.25)


def test_a_unidirectional_network_does_not_see_the_future() -> None:
    network = MaskNetwork(PARAMS, 3, 9, 2)
    x = magnitudes()
    later = x.copy()
    later[:, 3:] *= 5
    np.testing.assert_array_equal(network(x)[:, :, :3], network(later)[:, :, :3])
    assert np.abs(network(x)[:, :, 3:] - network(later)[:, :, 3:]).max() > 1e-4


def test_layers_and_units_are_those_of_the_params() -> None:
    network = MaskNetwork(replace(PARAMS, layers=5, units=7, bidirectional=True), 3, 9, 1)
    assert [layer.units for layer in network.recurrent] == [7] * 5
    assert network(magnitudes(nb_channels=1)).shape == (3, 2, 5, 9, 1)


def test_after_adaptation_the_input_has_mean_0_and_deviation_1() -> None:
    network = MaskNetwork(PARAMS, 3, 9, 2)
    x = network.compress(magnitudes(nb_frames=50)).numpy()
    network.standardisation.adapt(x.mean(axis=(0, 1)), x.std(axis=(0, 1)))
    standardised = network.standardisation(x).numpy()
    np.testing.assert_allclose(standardised.mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(standardised.std(axis=(0, 1)), 1, atol=1e-5)


@pytest.mark.parametrize(("bandwidth", "nb_bins"), [(16000, 744), (22050, 1025), (99999, 1025), (1, 1)])
def test_bandwidth_in_bins(bandwidth: float, nb_bins: int) -> None:
    assert replace(PARAMS, bandwidth=bandwidth).nb_bins(44100, 2048) == nb_bins


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        weights.append(MaskNetwork(PARAMS, 3, 9, 2).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))
