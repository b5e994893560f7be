import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.network.local import LocalHeads, around


def test_around_takes_means_of_what_there_is() -> None:
    x = np.random.default_rng(0).normal(size=(7, 3))
    for before, after in ((2, 2), (2, 0), (9, 9), (0, 0)):
        expected = [x[max(0, t - before) : t + after + 1].mean(axis=0) for t in range(7)]
        np.testing.assert_allclose(around(7, before, after).numpy() @ x, expected, rtol=1e-5)


@pytest.mark.parametrize("nb_bands", [3, 8, 20])
def test_the_sum_is_that_of_the_formula(nb_bands: int) -> None:
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    layer = LocalHeads(nb_sources=3, nb_channels=2, radii=(1, 2), future=True)
    x = random.normal(size=(2, 5, nb_bands, 3)).astype(np.float32)
    hidden = random.normal(size=(2, 5, 6)).astype(np.float32)
    layer(x, hidden)
    layer.set_weights([random.normal(size=w.shape) for w in layer.get_weights()])
    level = x[..., :2].mean(axis=-1)
    features = np.stack(
        [
            *np.moveaxis(x, -1, 0),
            level - np.einsum("fg,btg->btf", around(nb_bands, 1, 1), level),
            level - np.einsum("ts,bsf->btf", around(5, 1, 1), level),
            level - np.einsum("fg,btg->btf", around(nb_bands, 2, 2), level),
            level - np.einsum("ts,bsf->btf", around(5, 2, 2), level),
        ]
    )
    weight, kernel, bias = layer.weight.numpy(), layer.gate.kernel.numpy(), layer.gate.bias.numpy()
    nb_groups = -(-nb_bands // 8)
    gate = (np.einsum("btu,juw->jbtw", hidden, kernel) + bias[:, None]).reshape(3, 2, 5, 7, nb_groups, 2)
    y = layer(x, hidden).numpy()
    assert y.shape == (3, 2, 5, nb_bands, 2)
    for f in range(nb_bands):
        own = weight[:, :, 0, 0, f // 8, f % 8]  # (nb_features, nb_sources, nb_channels)
        expected = np.einsum("jbtic,ibt->jbtc", gate[:, :, :, :, f // 8], features[:, :, :, f])
        expected += np.einsum("ijc,ibt->jbtc", own, features[:, :, :, f])
        np.testing.assert_allclose(y[:, :, :, f], expected, atol=1e-4)


@pytest.mark.parametrize("future", [False, True])
def test_the_future_is_seen_only_where_it_may_be(future: bool) -> None:
    keras.utils.set_random_seed(0)
    layer = LocalHeads(nb_sources=2, nb_channels=1, radii=(2,), future=future)
    random = np.random.default_rng(0)
    x, hidden = random.normal(size=(1, 9, 8, 1)), random.normal(size=(1, 9, 4))
    later = x.copy()
    later[:, 5:] += 1
    same = np.abs(layer(x, hidden) - layer(later, hidden)).max(axis=(0, 1, 3, 4)) < 1e-6
    assert same.tolist() == [True] * (3 if future else 5) + [False] * (6 if future else 4)


def test_the_same_number_of_frames_is_no_matter_of_tracing() -> None:
    layer = LocalHeads(nb_sources=2, nb_channels=1, radii=(2,), future=True)
    traced = tf.function(layer, input_signature=[tf.TensorSpec((1, None, 8, 1)), tf.TensorSpec((1, None, 4))])
    x, hidden = np.ones((1, 6, 8, 1), np.float32), np.ones((1, 6, 4), np.float32)
    np.testing.assert_allclose(traced(x, hidden), layer(x, hidden), atol=1e-6)
