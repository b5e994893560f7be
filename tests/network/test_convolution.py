import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from rnnsep.network.convolution import DILATIONS, ConvolutionalHeads, dilated


def by_definition(
    x: NDArray[np.float64], kernel: NDArray[np.float64], dilation: int, future: bool
) -> NDArray[np.float64]:
    y = np.zeros((*x.shape[:3], kernel.shape[3]))
    for t, f in np.ndindex(x.shape[1:3]):
        for i, j in np.ndindex(3, 3):
            frame, band = t + dilation * (i - 1 if future else i - 2), f + dilation * (j - 1)
            if 0 <= frame < x.shape[1] and 0 <= band < x.shape[2]:
                y[:, t, f] += x[:, frame, band] @ kernel[i, j]
    return y


@pytest.mark.parametrize("dilation", DILATIONS)
@pytest.mark.parametrize("future", [False, True])
def test_a_dilated_convolution_is_that_of_its_definition(dilation: int, future: bool) -> None:
    random = np.random.default_rng(0)
    x, kernel = random.normal(size=(2, 9, 6, 3)), random.normal(size=(3, 3, 3, 4))
    y = dilated(tf.constant(x), (9, 6), tf.constant(kernel), dilation, future)
    np.testing.assert_allclose(y, by_definition(x, kernel, dilation, future), atol=1e-12)


def random_heads(future: bool = True) -> ConvolutionalHeads:
    """Heads of 5 maps for 3 sources, 2 channels, 8 bands and 4 hidden units, with random weights."""
    keras.utils.set_random_seed(0)
    layer = ConvolutionalHeads(nb_sources=3, nb_channels=2, nb_maps=5, future=future)
    layer(np.zeros((1, 1, 8, 3), np.float32), np.zeros((1, 1, 4), np.float32))
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def random_inputs(nb_frames: int = 18) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(1)
    shapes = (1, nb_frames, 8, 3), (1, nb_frames, 4)
    return random.normal(size=shapes[0]).astype(np.float32), random.normal(size=shapes[1]).astype(np.float32)


def test_the_logits_are_those_of_the_formula() -> None:
    layer, (x, hidden) = random_heads(), random_inputs()
    maps = np.float64(x)
    for number, (dilation, kernel, bias) in enumerate(layer.layers):
        y = np.maximum(by_definition(maps, kernel.numpy(), dilation, True) + bias.numpy(), 0)
        maps = maps + y if number else y
    weights = layer.band.numpy() + (hidden @ layer.gate.numpy())[:, :, None]
    out = layer.out.numpy().reshape(5, 3, 2)
    expected = np.einsum("btfk,btfk,kjc->jbtfc", maps, weights, out)
    np.testing.assert_allclose(layer(x, hidden), expected, rtol=1e-4, atol=1e-3 * np.abs(expected).max())


def test_new_heads_add_nothing() -> None:
    layer = ConvolutionalHeads(nb_sources=3, nb_channels=2, nb_maps=5, future=True)
    assert np.all(layer(*random_inputs()) == 0)


def test_all_weights_have_gradients() -> None:
    layer = random_heads()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(*random_inputs())[0])
    gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_variables])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize("future", [False, True])
def test_seven_frames_are_seen_on_each_side_or_fourteen_before(future: bool) -> None:
    layer, (x, hidden) = random_heads(future), random_inputs(36)
    other = x.copy()
    other[:, 18] += 1
    changed = np.abs(layer(x, hidden) - layer(other, hidden)).max(axis=(0, 1, 3, 4)) > 1e-4
    reach = range(11, 26) if future else range(18, 33)
    assert np.flatnonzero(changed).tolist() == list(reach)


def test_the_same_number_of_frames_is_no_matter_of_tracing() -> None:
    layer = random_heads()
    traced = tf.function(layer, input_signature=[tf.TensorSpec((1, None, 8, 3)), tf.TensorSpec((1, None, 4))])
    compiled = tf.function(layer, jit_compile=True)
    for nb_frames in (1, 6, 18):
        inputs = random_inputs(nb_frames)
        np.testing.assert_allclose(traced(*inputs), layer(*inputs), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(compiled(*inputs), layer(*inputs), rtol=1e-4, atol=1e-4)
