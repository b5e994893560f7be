"""The Keras layers against the forward pass in NumPy, for every preset and every architecture."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.layers.mask import masked_channels
from rnnsep.layers.network import MaskNetwork
from rnnsep.layers.recurrence.layer import Recurrent
from rnnsep.learning.recipe import Recipe
from rnnsep.network import mask
from rnnsep.network.network import Architecture
from rnnsep.params import changed, select
from rnnsep.presets import catalogue
from rnnsep.signal.stft import StftParams
from tests.networks import ARCHITECTURES, SMALL, document, random_weights

STFT = StftParams(sample_rate=8000, window=64, hop=32, channels="stereo", taper="hann")
NB_FRAMES = 19


NETWORKS = {name: (changed(SMALL, changes), STFT) for name, changes in ARCHITECTURES.items()}
for name in catalogue.names():  # the networks of presets, with fewer units; of equal ones the first
    content = document(catalogue.changes(name))
    of_preset = changed(select(Recipe, content).network, {"rnn.units": 8}), select(StftParams, content["stft"])
    if of_preset not in NETWORKS.values():
        NETWORKS[name] = of_preset


def magnitudes(shape, nb_batch=1):
    normal = np.random.default_rng(1).normal(size=(nb_batch, NB_FRAMES, shape.nb_bins, shape.nb_inputs))
    return np.abs(normal).astype(np.float32)


def keras_network(shape):
    network = MaskNetwork(shape)
    network.assign(random_weights(shape))
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_keras_and_numpy_give_the_same_masks(name):
    params, stft = NETWORKS[name]
    shape = Architecture.of(params, 3, stft)
    network, x = keras_network(shape), magnitudes(shape)
    np.testing.assert_allclose(network(x).numpy()[:, 0], network.trained()(x[0]), atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_weight_has_its_path_and_a_gradient(name):
    shape = Architecture.of(changed(SMALL, ARCHITECTURES[name]), 3, STFT)
    network = keras_network(shape)
    named = network.named_weights()
    assert {path: tuple(weight.shape) for path, weight in named.items()} == shape.shapes
    assert len(named) == len(network.trainable_variables)
    x = magnitudes(shape, 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(network(x, training=True) - 0.1))
    for path, gradient in zip(named, tape.gradient(loss, [weight.value for weight in named.values()]), strict=True):
        assert np.isfinite(gradient).all(), path
        assert np.abs(gradient).max() > 0, path


def test_an_enhancement_network_sees_the_same_estimates_on_both_sides():
    shape = Architecture.of_enhancer(SMALL, 3, STFT)
    network = keras_network(shape)
    random = np.random.default_rng(0)
    masks = random.random((3, NB_FRAMES, shape.nb_bins, 2), np.float32)
    x = random.random((NB_FRAMES, shape.nb_bins, 2), np.float32)
    seen = masked_channels(tf.constant(masks[:, None]), tf.constant(x[None]))
    np.testing.assert_allclose(seen[0], mask.masked_channels(masks, x))
    np.testing.assert_allclose(network(seen).numpy()[:, 0], network.trained()(seen[0].numpy()), atol=1e-5)


def test_after_adaptation_the_input_has_mean_0_and_deviation_1():
    network = MaskNetwork(Architecture.of(SMALL, 3, STFT))
    x = network.compress(magnitudes(network.architecture)).numpy()
    network.standardisation.adapt(x.mean(axis=(0, 1)), x.std(axis=(0, 1)))
    standardised = network.standardisation(x).numpy()
    np.testing.assert_allclose(standardised.mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(standardised.std(axis=(0, 1)), 1, atol=1e-5)


def test_noise_and_dropout_act_in_training_only():
    shape = Architecture.of(changed(SMALL, {"input.noise": 0.5, "rnn.dropout": 0.5}), 3, STFT)
    network, x = keras_network(shape), magnitudes(shape)
    np.testing.assert_array_equal(network(x), network(x))
    assert np.abs(network(x, training=True) - network(x)).max() > 1e-3


@pytest.mark.parametrize("cell", ["gru", "lstm", "vanilla"])
@pytest.mark.parametrize("xla", [False, True])
def test_recurrent_layers_are_those_of_keras(cell, xla):
    """Outputs and all gradients. The gates of 128 units of an LSTM in float64 take a page, so matrices are padded."""
    units, tolerance = (128, 1e-12) if not xla else (6, 5e-6)
    dtype = "float32" if xla else "float64"
    ours = Recurrent(cell, units, bidirectional=True, dtype=dtype)
    kinds = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM, "vanilla": keras.layers.SimpleRNN}
    options = {"activation": "relu"} if cell == "vanilla" else {}
    one_way = kinds[cell](units, return_sequences=True, dtype=dtype, **options)
    theirs = keras.layers.Bidirectional(one_way, dtype=dtype)
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(size=(3, 7, 5)), dtype)
    for layer in (ours, theirs):
        layer.build((3, 7, 5))
    weights = [random.normal(0, 0.3 / np.sqrt(units / 6), weight.shape) for weight in theirs.trainable_variables]
    results = []
    for layer in (ours, theirs):
        for variable, weight in zip(layer.trainable_variables, weights, strict=True):
            variable.assign(weight)

        def run(layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
                total = tf.reduce_sum(y * tf.constant(np.random.default_rng(1).normal(size=y.shape), dtype))
            return [y, *tape.gradient(total, [x, *(variable.value for variable in layer.trainable_variables)])]

        results.append(tf.function(run, jit_compile=True)() if xla and layer is ours else run())
    for mine, peer in zip(*results, strict=True):
        mine, peer = np.asarray(mine), np.asarray(peer)
        assert np.abs(mine - peer).max() <= tolerance * np.abs(peer).max()
