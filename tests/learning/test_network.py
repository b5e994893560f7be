from dataclasses import asdict, replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.learning.bands import from_mel, mel_bank
from rnnsep.learning.network import (
    Defects,
    MaskNetwork,
    NetworkParams,
    masked_channels,
    soft_mask,
    with_context,
)
from rnnsep.params import ParamError, parse
from tests.networks import SMALL

PARAMS = SMALL


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
    assert replace(PARAMS, bandwidth=bandwidth).bins(44100, 2048).widths == (1,) * nb_bins


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        weights.append(MaskNetwork(PARAMS, 3, 9, 2).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


@pytest.mark.parametrize("recurrent", [None, (1, 2, 3), (2,), ()])
def test_layers_that_are_not_recurrent_are_dense_rectified_and_see_their_frame_only(
    recurrent: tuple[int, ...] | None,
) -> None:
    network = MaskNetwork(replace(PARAMS, layers=3, cell="vanilla", recurrent=recurrent), 2, 9, 2)
    kinds = [isinstance(layer, keras.layers.Dense) for layer in network.recurrent]
    assert kinds == [recurrent is not None and k not in recurrent for k in (1, 2, 3)]
    assert all(layer.activation in ("relu", keras.activations.relu) for layer in network.recurrent)
    x = magnitudes()
    earlier = x.copy()
    earlier[:, :2] *= 5
    difference = np.abs(network(x)[:, :, 2:] - network(earlier)[:, :, 2:]).max()
    assert (difference > 1e-6) == (recurrent != ())


def test_context_stacks_the_frames_around_each_and_repeats_the_outermost() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 4, 2)  # frames (0, 1), (2, 3), (4, 5), (6, 7)
    stacked = with_context(tf.constant(x), 1).numpy()[0]
    assert stacked.tolist() == [[0, 1, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 6, 7]]
    wide = with_context(tf.constant(x), 5).numpy()[0]
    assert wide[0].tolist() == [0, 1] * 6 + [2, 3, 4, 5, 6, 7] + [6, 7] * 2


def test_a_dense_network_with_context_is_its_formula() -> None:
    params = replace(PARAMS, layers=2, recurrent=(), context=1, input="linear", standardise=False, mask="abs", units=7)
    network = MaskNetwork(params, 2, 9, 1)
    x = magnitudes(nb_channels=1)[0, :, :, 0]
    padded = np.concatenate([x[:1], x, x[-1:]])
    hidden = np.concatenate([padded[:-2], padded[1:-1], padded[2:]], axis=1)
    for layer in network.recurrent:
        kernel, bias = layer.get_weights()
        hidden = np.maximum(hidden @ kernel + bias, 0)
    kernel, bias = network.heads.get_weights()
    outputs = np.abs(hidden @ kernel + bias)  # (nb_sources, nb_frames, nb_bins)
    np.testing.assert_allclose(network(x[None, :, :, None])[:, 0, :, :, 0], outputs / outputs.sum(axis=0), rtol=1e-4)


def test_sigmoid_masks_are_each_from_0_to_1_and_need_not_sum_to_one() -> None:
    y = np.random.default_rng(0).normal(size=(3, 2, 4))
    np.testing.assert_allclose(soft_mask(tf.constant(y), "sigmoid"), 1 / (1 + np.exp(-y)), rtol=1e-12)
    masks = MaskNetwork(replace(PARAMS, mask="sigmoid"), 3, 9, 2)(magnitudes()).numpy()
    assert masks.min() > 0 and masks.max() < 1
    assert np.abs(masks.sum(axis=0) - 1).max() > 0.01


@pytest.mark.parametrize(
    ("nb_bins", "nb_bands", "top"), [(201, 100, 8000), (9, 40, 4000), (1025, 20, 22050), (2, 2, 1)]
)
def test_mel_bands_are_triangles_evenly_spaced_in_mel_and_leave_no_bin_out(
    nb_bins: int, nb_bands: int, top: float
) -> None:
    bank = mel_bank(nb_bins, nb_bands, top)
    assert bank.shape == (nb_bins, nb_bands)
    assert (bank.max(axis=0) > 0).all()
    assert (bank.max(axis=1) > 0).all()
    if nb_bands == 20:  # wide bands: neighbours share each bin between them
        np.testing.assert_allclose(bank.sum(axis=1), 1, atol=0.02)
        centres = 1127 * np.log1p(np.argmax(bank, axis=0) * top / (nb_bins - 1) / 700)
        np.testing.assert_allclose(np.diff(centres), centres[-1] / 19, atol=30)


@pytest.mark.parametrize("mask", ["softmax", "sigmoid", "abs"])
def test_masks_of_mel_bands_become_masks_of_bins_by_the_filters(mask: str) -> None:
    params = replace(PARAMS, mel=4, mel_mask=True, mask=mask)
    network = MaskNetwork(params, 3, 9, 2)
    assert network.heads.width == 8
    masks = network(magnitudes()).numpy()
    assert masks.shape == (3, 2, 5, 9, 2)
    assert masks.min() >= 0
    if mask != "sigmoid":
        np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)
    bank = mel_bank(9, 4, 4000.0)
    bands = np.random.default_rng(0).uniform(size=(3, 4, 2))
    expected = np.einsum("jmc,fm->jfc", bands, bank) / bank.sum(axis=1)[:, None]
    np.testing.assert_allclose(from_mel(tf.constant(bands), bank), expected, rtol=1e-6)


def test_log_mel_input_is_the_logarithm_of_means_over_bands() -> None:
    network = MaskNetwork(replace(PARAMS, mel=4), 3, 9, 2)
    x, bank = magnitudes(), mel_bank(9, 4, 4000.0)
    means = np.einsum("btfc,fm->btmc", x, bank) / bank.sum(axis=0)[:, None]
    np.testing.assert_allclose(network.compress(x), np.log(means + 1e-3), rtol=1e-4)
    assert network(x).shape == (3, 2, 5, 9, 2)


@pytest.mark.parametrize("nb_frames", [1, 4, 5, 8, 11])
def test_with_the_defect_the_state_starts_over_every_4_frames(nb_frames: int) -> None:
    keras.utils.set_random_seed(0)
    whole = MaskNetwork(PARAMS, 3, 9, 2)
    broken = MaskNetwork(replace(PARAMS, defects=Defects(half_mixture=False, reset=4)), 3, 9, 2)
    broken.set_weights(whole.get_weights())
    x = magnitudes(nb_frames=nb_frames)
    parts = [whole(x[:, start : start + 4]) for start in range(0, nb_frames, 4)]
    np.testing.assert_allclose(broken(x), np.concatenate(parts, axis=2), atol=1e-6)


def test_noise_is_added_in_training_only() -> None:
    network = MaskNetwork(replace(PARAMS, noise=0.5), 3, 9, 2)
    x = magnitudes()
    np.testing.assert_array_equal(network(x), network(x))
    assert np.abs(network(x, training=True) - network(x, training=True)).max() > 1e-3


def test_an_enhancing_network_sees_each_source_in_channels_of_its_own() -> None:
    masks = np.random.default_rng(0).uniform(size=(3, 2, 5, 9, 2)).astype(np.float32)
    seen = masked_channels(tf.constant(masks), tf.constant(magnitudes())).numpy()
    assert seen.shape == (2, 5, 9, 6)
    for source in range(3):
        np.testing.assert_array_equal(seen[..., 2 * source : 2 * source + 2], masks[source] * magnitudes())
    enhancer = MaskNetwork(PARAMS, 3, 9, 2, nb_inputs=6)
    assert enhancer(seen).shape == (3, 2, 5, 9, 2)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"recurrent": [3]}, "recurrent"),
        ({"recurrent": [0]}, "recurrent"),
        ({"mel": 1}, "mel"),
        ({"mel_mask": True}, "mel_mask"),
    ],
)
def test_impossible_networks_are_refused_by_key(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ParamError, match=rf"^rnn\.{key}"):
        parse(NetworkParams, asdict(PARAMS) | changes, "rnn")
