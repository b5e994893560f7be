from dataclasses import asdict
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.network.bands import Pooling, mel_bank
from rnnsep.network.input import with_context
from rnnsep.network.masks import masked_channels, soft_mask
from rnnsep.network.network import MaskNetwork, NetworkParams, computing, make_network
from rnnsep.params import ParamError, changed, parse
from rnnsep.signal.stft import StftParams
from tests.networks import SMALL

PARAMS = SMALL


def magnitudes(nb_batch: int = 2, nb_frames: int = 5, nb_bins: int = 9, nb_channels: int = 2) -> np.ndarray:
    return np.abs(np.random.default_rng(0).normal(size=(nb_batch, nb_frames, nb_bins, nb_channels))).astype(np.float32)


@pytest.mark.parametrize("mask", ["softmax", "relu", "abs"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "vanilla"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_masks_sum_to_one_and_are_non_negative(mask: str, cell: str, bidirectional: bool) -> None:
    params = changed(PARAMS, {"mask.activation": mask, "rnn.cell": cell, "rnn.bidirectional": bidirectional})
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
def test_all_zero_logits_give_equal_masks(kind: str) -> None:
    np.testing.assert_allclose(soft_mask(tf.fill((4, 3), -0.0), kind), 0.25)


def test_a_unidirectional_network_does_not_see_the_future() -> None:
    network = MaskNetwork(PARAMS, 3, 9, 2)
    x = magnitudes()
    later = x.copy()
    later[:, 3:] *= 5
    np.testing.assert_array_equal(network(x)[:, :, :3], network(later)[:, :, :3])
    assert np.abs(network(x)[:, :, 3:] - network(later)[:, :, 3:]).max() > 1e-4


def test_layers_and_units_are_those_of_the_params() -> None:
    network = MaskNetwork(changed(PARAMS, {"rnn.layers": 5, "rnn.units": 7, "rnn.bidirectional": True}), 3, 9, 1)
    assert [layer.units for layer in network.hidden] == [7] * 5
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
    assert changed(PARAMS, {"input.bandwidth": bandwidth}).input.bins(44100, 2048).widths == (1,) * nb_bins


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        weights.append(MaskNetwork(PARAMS, 3, 9, 2).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


@pytest.mark.parametrize("recurrent", [None, (1, 2, 3), (2,), (0,)])
def test_non_recurrent_layers_are_dense_relu_layers_of_one_frame(
    recurrent: tuple[int, ...] | None,
) -> None:
    network = MaskNetwork(
        changed(PARAMS, {"rnn.layers": 3, "rnn.cell": "vanilla", "rnn.recurrent": recurrent}), 2, 9, 2
    )
    kinds = [isinstance(layer, keras.layers.Dense) for layer in network.hidden]
    assert kinds == [recurrent is not None and k not in recurrent for k in (1, 2, 3)]
    assert all(layer.activation in ("relu", keras.activations.relu) for layer in network.hidden)
    x = magnitudes()
    earlier = x.copy()
    earlier[:, :2] *= 5
    difference = np.abs(network(x)[:, :, 2:] - network(earlier)[:, :, 2:]).max()
    assert (difference > 1e-6) == (recurrent != (0,))


def test_context_stacks_neighbouring_frames_and_repeats_the_first_and_last() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 4, 2)  # frames (0, 1), (2, 3), (4, 5), (6, 7)
    stacked = with_context(tf.constant(x), 1).numpy()[0]
    assert stacked.tolist() == [[0, 1, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 6, 7]]
    wide = with_context(tf.constant(x), 5).numpy()[0]
    assert wide[0].tolist() == [0, 1] * 6 + [2, 3, 4, 5, 6, 7] + [6, 7] * 2


def test_a_dense_network_with_context_is_its_formula() -> None:
    params = changed(
        PARAMS,
        {
            "rnn.layers": 2,
            "rnn.recurrent": (0,),
            "input.context": 1,
            "input.compression": "linear",
            "input.standardise": False,
            "mask.activation": "abs",
            "rnn.units": 7,
        },
    )
    network = MaskNetwork(params, 2, 9, 1)
    x = magnitudes(nb_channels=1)[0, :, :, 0]
    padded = np.concatenate([x[:1], x, x[-1:]])
    hidden = np.concatenate([padded[:-2], padded[1:-1], padded[2:]], axis=1)
    for layer in network.hidden:
        kernel, bias = layer.get_weights()
        hidden = np.maximum(hidden @ kernel + bias, 0)
    kernel, bias = network.heads.get_weights()
    outputs = np.abs(hidden @ kernel + bias)  # (nb_sources, nb_frames, nb_bins)
    np.testing.assert_allclose(network(x[None, :, :, None])[:, 0, :, :, 0], outputs / outputs.sum(axis=0), rtol=1e-4)


def test_sigmoid_masks_are_between_0_and_1_and_independent() -> None:
    y = np.random.default_rng(0).normal(size=(3, 2, 4))
    np.testing.assert_allclose(soft_mask(tf.constant(y), "sigmoid"), 1 / (1 + np.exp(-y)), rtol=1e-12)
    masks = MaskNetwork(changed(PARAMS, {"mask.activation": "sigmoid"}), 3, 9, 2)(magnitudes()).numpy()
    assert masks.min() > 0 and masks.max() < 1
    assert np.abs(masks.sum(axis=0) - 1).max() > 0.01


@pytest.mark.parametrize("mask", ["softmax", "sigmoid", "abs"])
def test_masks_of_mel_bands_become_masks_of_bins(mask: str) -> None:
    params = changed(PARAMS, {"input.mel": 4, "mask.mel": True, "mask.activation": mask})
    network = MaskNetwork(params, 3, 9, 2)
    assert network.heads.width == 8
    masks = network(magnitudes()).numpy()
    assert masks.shape == (3, 2, 5, 9, 2)
    assert masks.min() >= 0
    if mask != "sigmoid":
        np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)


def test_log_mel_input_is_the_logarithm_of_means_over_bands() -> None:
    network = MaskNetwork(changed(PARAMS, {"input.mel": 4}), 3, 9, 2)
    x, bank = magnitudes(), mel_bank(9, 4, 4000.0)
    means = np.einsum("btfc,fm->btmc", x, bank) / bank.sum(axis=0)[:, None]
    np.testing.assert_allclose(network.compress(x), np.log(means + 1e-3), rtol=1e-4)
    assert network(x).shape == (3, 2, 5, 9, 2)


@pytest.mark.parametrize("nb_frames", [1, 4, 5, 8, 11])
def test_the_reset_defect_resets_the_state_every_4_frames(nb_frames: int) -> None:
    keras.utils.set_random_seed(0)
    whole = MaskNetwork(PARAMS, 3, 9, 2)
    broken = MaskNetwork(changed(PARAMS, {"defects.half_mixture": False, "defects.reset": 4}), 3, 9, 2)
    broken.set_weights(whole.get_weights())
    x = magnitudes(nb_frames=nb_frames)
    parts = [whole(x[:, start : start + 4]) for start in range(0, nb_frames, 4)]
    np.testing.assert_allclose(broken(x), np.concatenate(parts, axis=2), atol=1e-6)


def test_noise_is_added_in_training_only() -> None:
    network = MaskNetwork(changed(PARAMS, {"input.noise": 0.5}), 3, 9, 2)
    x = magnitudes()
    np.testing.assert_array_equal(network(x), network(x))
    assert np.abs(network(x, training=True) - network(x, training=True)).max() > 1e-3


def test_an_enhancement_network_sees_each_source_in_its_own_channels() -> None:
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
        ({"rnn.recurrent": [3]}, "rnn.recurrent"),
        ({"rnn.recurrent": []}, "rnn.recurrent"),
        ({"mask.local": []}, "mask.local"),
        ({"mask.convolution": -1}, "mask.convolution"),
        ({"input.mel": 1}, "input.mel"),
        ({"mask.mel": True}, "mask.mel"),
    ],
)
def test_impossible_networks_are_rejected_by_key(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ParamError, match=rf"^{key}"):
        parse(NetworkParams, asdict(changed(PARAMS, changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"rnn.bottleneck": 12, "rnn.residual": True, "rnn.bidirectional": True},
        {"rnn.shared": False},
        {"rnn.bands": 3},
        {"rnn.bands": 3, "rnn.bidirectional": True, "rnn.cell": "lstm", "rnn.shared": False},
        {"input.level": True},
        {"mask.local": (2,), "rnn.bidirectional": True},
        {"mask.local": (1, 2), "rnn.shared": False},
    ],
)
def test_all_architectures_make_masks_and_have_gradients(changes: dict[str, object]) -> None:
    network = MaskNetwork(changed(PARAMS, changes), 3, 9, 2, nb_inputs=3)
    with tf.GradientTape() as tape:
        masks = network(magnitudes(nb_channels=3))
        loss = tf.reduce_mean(tf.square(masks[0]))
    gradients = tape.gradient(loss, [weight.value for weight in network.trainable_variables])
    assert masks.shape == (3, 2, 5, 9, 2)
    np.testing.assert_allclose(tf.reduce_sum(masks, axis=0), 1, atol=1e-6)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    "changes",
    [
        {"rnn.residual": True, "rnn.bottleneck": 6, "mask.local": (2,)},
        {"mask.convolution": 2, "mask.local": (2,)},
        {"rnn.bands": 3},
    ],
)
def test_a_causal_network_with_any_hidden_layers_does_not_see_the_future(changes: dict[str, object]) -> None:
    network = MaskNetwork(changed(PARAMS, changes), 3, 9, 2)
    x = magnitudes()
    later = x.copy()
    later[:, 3:] *= 5
    np.testing.assert_allclose(network(x)[:, :, :3], network(later)[:, :, :3], atol=1e-6)


def test_residual_layers_with_zero_weights_are_the_identity() -> None:
    params = changed(PARAMS, {"rnn.residual": True, "rnn.bottleneck": PARAMS.rnn.units})
    network = MaskNetwork(params, 3, 9, 2)
    for layer in network.hidden:
        layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
    shorter = MaskNetwork(changed(params, {"rnn.layers": 1}), 3, 9, 2)
    shorter.hidden[0].set_weights(network.hidden[0].get_weights())
    for part in ("standardisation", "entry", "exit", "heads"):
        getattr(shorter, part).set_weights(getattr(network, part).get_weights())
    np.testing.assert_allclose(network(magnitudes()), shorter(magnitudes()), atol=1e-6)


def test_the_bottleneck_is_normalised_and_squashed() -> None:
    network = MaskNetwork(changed(PARAMS, {"rnn.bottleneck": 12}), 3, 9, 2)
    x = np.random.default_rng(0).normal(size=(2, 5, 18)).astype(np.float32)
    y = np.arctanh(network.entry(x).numpy())
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-3)
    np.testing.assert_allclose(y.std(axis=-1), 1, atol=2e-2)


def test_separate_networks_per_source_interact_only_in_the_mask() -> None:
    network = MaskNetwork(changed(PARAMS, {"rnn.shared": False}), 3, 9, 2)
    assert network.count_params() > 2 * MaskNetwork(PARAMS, 3, 9, 2).count_params()
    x = magnitudes()
    before = network(x).numpy()
    head = network.others[1].heads  # of the third source
    head.bias.assign_add(tf.ones_like(head.bias))
    odds = network(x)[:2] / before[:2]
    np.testing.assert_allclose(odds[0], odds[1], rtol=1e-4)
    assert np.all(network(x)[2] > before[2])


def test_level_normalisation_makes_masks_independent_of_the_level() -> None:
    network = MaskNetwork(changed(PARAMS, {"input.level": True}), 3, 9, 2)
    np.testing.assert_allclose(network(magnitudes()), network(100 * magnitudes()), atol=1e-4)
    plain = MaskNetwork(PARAMS, 3, 9, 2)
    plain.set_weights(network.get_weights())
    assert np.abs(plain(magnitudes()) - plain(100 * magnitudes())).max() > 1e-2


def test_scale_is_a_factor_on_the_input() -> None:
    scaled = MaskNetwork(changed(PARAMS, {"input.scale": 3.0, "input.compression": "linear"}), 3, 9, 2)
    plain = MaskNetwork(changed(PARAMS, {"input.compression": "linear"}), 3, 9, 2)
    plain.set_weights(scaled.get_weights())
    np.testing.assert_allclose(scaled(magnitudes()), plain(3 * magnitudes()), atol=1e-6)
    assert np.abs(scaled(magnitudes()) - plain(magnitudes())).max() > 1e-3


@pytest.mark.parametrize("half_mixture", [False, True])
@pytest.mark.parametrize("widths", [(1, 1, 2), (1, 1, 1, 1)])
def test_the_network_sees_pooled_magnitudes_of_channels_and_side(widths: tuple[int, ...], half_mixture: bool) -> None:
    random = np.random.default_rng(0)
    real, imaginary = random.normal(size=(2, 2, 6, 4, 2)).astype(np.float32)
    params = changed(PARAMS, {"input.side": True, "defects.half_mixture": half_mixture})
    network = MaskNetwork(params, 3, len(widths), 2, 3, Pooling(widths))
    mixture = (real + 1j * imaginary) / (2 if half_mixture else 1)
    x = np.stack([mixture[..., 0], mixture[..., 1], (mixture[..., 0] - mixture[..., 1]) / np.sqrt(2)], axis=-1)
    power = np.abs(x) ** 2
    edges = np.cumsum([0, *widths])
    expected = np.sqrt(np.stack([power[:, :, a:b].sum(axis=2) for a, b in pairwise(edges)], axis=2))
    for form in (np.asarray, tf.constant):
        magnitude = network.see(form(real), form(imaginary))
        np.testing.assert_allclose(magnitude, expected, rtol=1e-5)
        assert magnitude.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"rnn.bands": 4, "input.mel": 8}, "input.mel"),
        ({"rnn.bands": 4, "input.context": 1}, "input.context"),
        ({"rnn.bands": 4, "rnn.bottleneck": 1}, "rnn.bottleneck"),
        ({"rnn.bands": 4, "mask.local": (1,)}, "mask.local"),
        ({"input.mel": 8, "mask.local": (1,)}, "mask.local"),
        ({"rnn.bands": 4, "mask.convolution": 2}, "mask.convolution"),
        ({"input.mel": 8, "mask.convolution": 2}, "mask.convolution"),
        ({"rnn.bands": 4, "rnn.recurrent": [1]}, "rnn.recurrent"),
        ({"input.pooling": 1000.0, "input.mel": 8}, "input.pooling"),
    ],
)
def test_options_that_exclude_each_other_are_rejected(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ParamError, match=f"{key}: must be"):
        parse(NetworkParams, asdict(changed(PARAMS, changes)))


@pytest.mark.parametrize(("changes", "key"), [({"input.side": True}, "input.side"), ({"rnn.bands": 130}, "rnn.bands")])
def test_options_that_do_not_fit_the_stft_are_rejected(changes: dict[str, object], key: str) -> None:
    stft = StftParams(sample_rate=8000, window=256, hop=128, channels="mono", taper="hann")
    with pytest.raises(ParamError, match=key):
        make_network(changed(PARAMS, changes), 3, stft)


@pytest.mark.parametrize(
    "changes",
    [
        {
            "rnn.cell": "gru",
            "rnn.residual": True,
            "rnn.bottleneck": 12,
            "rnn.bidirectional": True,
            "input.noise": 0.1,
            "rnn.dropout": 0.1,
        },
        {"rnn.cell": "lstm", "input.mel": 4, "mask.mel": True},
        {"rnn.cell": "vanilla", "rnn.recurrent": (2,), "input.context": 1},
        {"rnn.cell": "gru", "rnn.bands": 3},
        {"mask.local": (2,), "mask.convolution": 2},
    ],
)
def test_half_precision_applies_to_computation_and_not_to_weights(changes: dict[str, object]) -> None:
    params = changed(PARAMS, changes)
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
