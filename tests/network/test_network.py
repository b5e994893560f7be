from dataclasses import asdict, replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.network.bands import Pooling, mel_bank
from rnnsep.network.network import (
    Defects,
    MaskNetwork,
    NetworkParams,
    computing,
    make_network,
    masked_channels,
    seen,
    soft_mask,
    with_context,
)
from rnnsep.params import ParamError, parse
from rnnsep.signal.stft import StftParams
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


@pytest.mark.parametrize("recurrent", [None, (1, 2, 3), (2,), (0,)])
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
    assert (difference > 1e-6) == (recurrent != (0,))


def test_context_stacks_the_frames_around_each_and_repeats_the_outermost() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 4, 2)  # frames (0, 1), (2, 3), (4, 5), (6, 7)
    stacked = with_context(tf.constant(x), 1).numpy()[0]
    assert stacked.tolist() == [[0, 1, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 6, 7]]
    wide = with_context(tf.constant(x), 5).numpy()[0]
    assert wide[0].tolist() == [0, 1] * 6 + [2, 3, 4, 5, 6, 7] + [6, 7] * 2


def test_a_dense_network_with_context_is_its_formula() -> None:
    params = replace(
        PARAMS, layers=2, recurrent=(0,), context=1, input="linear", standardise=False, mask="abs", units=7
    )
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


@pytest.mark.parametrize("mask", ["softmax", "sigmoid", "abs"])
def test_masks_of_mel_bands_become_masks_of_bins(mask: str) -> None:
    params = replace(PARAMS, mel=4, mel_mask=True, mask=mask)
    network = MaskNetwork(params, 3, 9, 2)
    assert network.heads.width == 8
    masks = network(magnitudes()).numpy()
    assert masks.shape == (3, 2, 5, 9, 2)
    assert masks.min() >= 0
    if mask != "sigmoid":
        np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)


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
        ({"recurrent": []}, "recurrent"),
        ({"local": []}, "local"),
        ({"mel": 1}, "mel"),
        ({"mel_mask": True}, "mel_mask"),
    ],
)
def test_impossible_networks_are_refused_by_key(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ParamError, match=rf"^rnn\.{key}"):
        parse(NetworkParams, asdict(PARAMS) | changes, "rnn")


@pytest.mark.parametrize(
    "changes",
    [
        {"bottleneck": 12, "residual": True, "bidirectional": True},
        {"shared": False},
        {"bands": 3},
        {"bands": 3, "bidirectional": True, "cell": "lstm", "shared": False},
        {"level": True},
        {"local": (2,), "bidirectional": True},
        {"local": (1, 2), "shared": False},
    ],
)
def test_other_architectures_make_masks_too_and_learn_from_their_gradient(changes: dict[str, object]) -> None:
    network = MaskNetwork(replace(PARAMS, **changes), 3, 9, 2, nb_inputs=3)  # type: ignore[arg-type]
    with tf.GradientTape() as tape:
        masks = network(magnitudes(nb_channels=3))
        loss = tf.reduce_mean(tf.square(masks[0]))
    gradients = tape.gradient(loss, [weight.value for weight in network.trainable_variables])
    assert masks.shape == (3, 2, 5, 9, 2)
    np.testing.assert_allclose(tf.reduce_sum(masks, axis=0), 1, atol=1e-6)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize("changes", [{"residual": True, "bottleneck": 6, "local": (2,)}, {"bands": 3}])
def test_a_causal_network_with_any_hidden_layers_does_not_see_the_future(changes: dict[str, object]) -> None:
    network = MaskNetwork(replace(PARAMS, **changes), 3, 9, 2)  # type: ignore[arg-type]
    x = magnitudes()
    later = x.copy()
    later[:, 3:] *= 5
    np.testing.assert_allclose(network(x)[:, :, :3], network(later)[:, :, :3], atol=1e-6)


def test_residual_layers_whose_weights_are_zero_leave_the_bottleneck_alone() -> None:
    params = replace(PARAMS, residual=True, bottleneck=PARAMS.units)
    network = MaskNetwork(params, 3, 9, 2)
    for layer in network.recurrent:
        layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
    shorter = MaskNetwork(replace(params, layers=1), 3, 9, 2)
    shorter.recurrent[0].set_weights(network.recurrent[0].get_weights())
    for part in ("standardisation", "entry", "exit", "heads"):
        getattr(shorter, part).set_weights(getattr(network, part).get_weights())
    np.testing.assert_allclose(network(magnitudes()), shorter(magnitudes()), atol=1e-6)


def test_the_bottleneck_is_normalised_and_squashed() -> None:
    network = MaskNetwork(replace(PARAMS, bottleneck=12), 3, 9, 2)
    x = np.random.default_rng(0).normal(size=(2, 5, 18)).astype(np.float32)
    y = np.arctanh(network.entry(x).numpy())
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-3)
    np.testing.assert_allclose(y.std(axis=-1), 1, atol=2e-2)


def test_networks_of_the_sources_meet_only_in_the_mask() -> None:
    network = MaskNetwork(replace(PARAMS, shared=False), 3, 9, 2)
    assert network.count_params() > 2 * MaskNetwork(PARAMS, 3, 9, 2).count_params()
    x = magnitudes()
    before = network(x).numpy()
    head = network.others[1].heads  # of the third source
    head.bias.assign_add(tf.ones_like(head.bias))
    odds = network(x)[:2] / before[:2]
    np.testing.assert_allclose(odds[0], odds[1], rtol=1e-4)
    assert np.all(network(x)[2] > before[2])


def test_a_level_is_no_matter_where_it_is_set() -> None:
    network = MaskNetwork(replace(PARAMS, level=True), 3, 9, 2)
    np.testing.assert_allclose(network(magnitudes()), network(100 * magnitudes()), atol=1e-4)
    plain = MaskNetwork(PARAMS, 3, 9, 2)
    plain.set_weights(network.get_weights())
    assert np.abs(plain(magnitudes()) - plain(100 * magnitudes())).max() > 1e-2


def test_the_scale_is_a_factor_on_what_goes_in() -> None:
    scaled = MaskNetwork(replace(PARAMS, scale=3.0, input="linear"), 3, 9, 2)
    plain = MaskNetwork(replace(PARAMS, input="linear"), 3, 9, 2)
    plain.set_weights(scaled.get_weights())
    np.testing.assert_allclose(scaled(magnitudes()), plain(3 * magnitudes()), atol=1e-6)
    assert np.abs(scaled(magnitudes()) - plain(magnitudes())).max() > 1e-3


def test_what_a_network_sees_of_a_mixture() -> None:
    random = np.random.default_rng(0)
    mixture = random.normal(size=(2, 6, 17, 2, 2)).astype(np.float32).view(np.complex64)[..., 0]
    network = MaskNetwork(replace(PARAMS, side=True), 3, 3, 2, 3, Pooling((1, 1, 2)))
    x = np.stack([mixture[..., 0], mixture[..., 1], (mixture[..., 0] - mixture[..., 1]) / np.sqrt(2)], axis=-1)
    power = np.abs(x) ** 2
    expected = np.sqrt(np.stack([power[:, :, 0], power[:, :, 1], power[:, :, 2] + power[:, :, 3]], axis=2))
    np.testing.assert_allclose(seen(mixture, network), expected, rtol=1e-5)
    # what it sees keeps the energy of two channels, of which the side is a part
    assert seen(mixture, network).dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"bands": 4, "mel": 8}, "mel"),
        ({"bands": 4, "context": 1}, "context"),
        ({"bands": 4, "bottleneck": 1}, "bottleneck"),
        ({"bands": 4, "local": (1,)}, "local"),
        ({"mel": 8, "local": (1,)}, "local"),
        ({"bands": 4, "recurrent": [1]}, "recurrent"),
        ({"pooling": 1000.0, "mel": 8}, "pooling"),
    ],
)
def test_architectures_that_exclude_each_other_are_refused(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ParamError, match=rf"rnn\.{key}: must be"):
        parse(NetworkParams, asdict(PARAMS) | changes, "rnn")


@pytest.mark.parametrize(("changes", "key"), [({"side": True}, "rnn.side"), ({"bands": 130}, "rnn.bands")])
def test_architectures_that_the_stft_does_not_allow_are_refused(changes: dict[str, object], key: str) -> None:
    stft = StftParams(8000, 256, 128, "mono", "hann")
    with pytest.raises(ParamError, match=key):
        make_network(replace(PARAMS, **changes), 3, stft)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "gru", "residual": True, "bottleneck": 12, "bidirectional": True, "noise": 0.1, "dropout": 0.1},
        {"cell": "lstm", "mel": 4, "mel_mask": True},
        {"cell": "vanilla", "recurrent": (2,), "context": 1},
        {"cell": "gru", "bands": 3},
    ],
)
def test_half_precision_is_of_what_is_computed_and_not_of_what_is_kept(changes: dict[str, object]) -> None:
    params = replace(PARAMS, **changes)  # type: ignore[arg-type]
    keras.utils.set_random_seed(0)
    whole = MaskNetwork(params, 2, 9, 1)
    with computing("bfloat16"):
        keras.utils.set_random_seed(0)
        half = MaskNetwork(params, 2, 9, 1)
    assert keras.config.dtype_policy().name == "float32"
    for one, other in zip(half.weights, whole.weights, strict=True):
        assert one.dtype == other.dtype  # float32, but for the states of generators
        np.testing.assert_array_equal(one, other)
    x = magnitudes(nb_channels=1)
    masks = half(x)
    assert masks.dtype == tf.float32
    difference = np.abs(masks - whole(x)).max()
    assert 0 < difference < 0.02
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(half(x, training=True)[0]))
    slopes = tape.gradient(loss, [weight.value for weight in half.trainable_variables])
    assert all(slope is not None and slope.dtype == tf.float32 for slope in slopes)
