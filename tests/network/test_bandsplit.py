import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rnnsep.network.bandsplit import BandSplit, Path, split
from rnnsep.network.recurrence.layers import GRU


@given(nb_bins=st.integers(1, 400), share=st.floats(0, 1), spacing=st.floats(1, 200))
def test_groups_are_as_many_as_asked_for_and_none_is_empty(nb_bins: int, share: float, spacing: float) -> None:
    nb_groups = 1 + int(share * (nb_bins - 1))
    edges = split(np.arange(nb_bins) * spacing, nb_groups)
    assert (edges[0], edges[-1], len(edges)) == (0, nb_bins, nb_groups + 1)
    assert (np.diff(edges) > 0).all()


def test_groups_are_even_on_the_mel_scale() -> None:
    frequencies = np.arange(1487) * 44100 / 4096
    mel = 1127 * np.log1p(frequencies / 700)
    widths = np.diff(mel[split(frequencies, 20)[:-1]])
    np.testing.assert_allclose(widths, mel[-1] / 20, atol=20)


def make(nb_layers: int = 1) -> BandSplit:
    """A band-split RNN whose layers run in one direction, over the bands too."""
    return BandSplit(
        edges=[0, 2, 5, 9],
        layer=lambda units, bidirectional, name: GRU(units, name=name),  # noqa: ARG005
        nb_layers=nb_layers,
        units=4,
        bidirectional=False,
        dropout=0.0,
        nb_sources=3,
        nb_channels=2,
    )


@pytest.mark.parametrize("nb_frames", [1, 6])
def test_a_bin_changes_its_group_and_later_ones_only(nb_frames: int) -> None:
    layer = make()
    x = np.random.default_rng(0).normal(size=(2, nb_frames, 9, 2)).astype(np.float32)
    before = layer(x)
    assert before.shape == (3, 2, nb_frames, 9, 2)
    x[:, :, 3] += 1
    change = np.abs(layer(x) - before).max(axis=(0, 1, 2, 4))
    assert (change[:2] == 0).all()
    assert (change[2:] > 1e-5).all()


def test_unknown_batch_and_length_give_the_same() -> None:
    layer = make(2)
    x = tf.random.normal((2, 5, 9, 2), seed=1)
    traced = tf.function(layer, input_signature=[tf.TensorSpec((None, None, 9, 2))])
    np.testing.assert_allclose(traced(x), layer(x), atol=1e-6)
    np.testing.assert_allclose(tf.function(layer, jit_compile=True)(x), layer(x), atol=1e-5)


def test_dropout_is_the_same_along_a_sequence() -> None:
    path = Path(GRU(4), 8, 0.5)
    x = tf.random.normal((3, 6, 8), seed=1)
    added = (path(x, training=True) - x).numpy()
    dropped = added == 0
    assert 0 < dropped.sum() < dropped.size
    assert (dropped == dropped[:, :1]).all()
    assert (dropped != dropped[:1]).any()
