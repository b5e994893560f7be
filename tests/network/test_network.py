"""The forward pass in NumPy: every architecture's masks, and each block against its definition."""

from dataclasses import asdict
from itertools import product

import numpy as np
import pytest

from rnnsep.network import local, network
from rnnsep.network.input import seen, with_context
from rnnsep.network.mask import soft_mask
from rnnsep.network.network import Architecture, NetworkParams
from rnnsep.params import ParamError, changed, parse
from rnnsep.signal.stft import StftParams
from tests.networks import ARCHITECTURES, SMALL, random_network

STFT = StftParams(sample_rate=8000, window=64, hop=32, channels="stereo", taper="hann")
NB_SOURCES = 3


def masks_of(name, magnitude):
    return random_network(changed(SMALL, ARCHITECTURES[name]), NB_SOURCES, STFT)(magnitude)


def magnitude(name, nb_frames=21):
    shape = Architecture.of(changed(SMALL, ARCHITECTURES[name]), NB_SOURCES, STFT)
    normal = np.random.default_rng(0).normal(size=(nb_frames, shape.nb_bins, shape.nb_inputs))
    return np.abs(normal).astype(np.float32)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_masks_are_non_negative_sum_to_one_and_see_the_future_only_if_they_say_so(name):
    params = changed(SMALL, ARCHITECTURES[name])
    x = magnitude(name)
    masks = masks_of(name, x)
    assert masks.shape == (NB_SOURCES, len(x), x.shape[1], 2)
    assert masks.dtype == np.float32
    assert masks.min() >= 0
    if params.mask.activation != "sigmoid":
        np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)
    later = x.copy()
    later[16:] *= 5
    change = np.abs(masks_of(name, later) - masks).max(axis=(0, 2, 3))
    assert change[16:].min() > 1e-4
    if not params.input.level:
        sees = 16 - params.input.context if not params.rnn.sees_future else 0
        assert change[:sees].max(initial=0) == 0
        assert change[sees:16].max(initial=1) > 0


@pytest.mark.parametrize("name", ["all heads", "convolution", "reset", "mel"])
@pytest.mark.parametrize("nb_frames", [1, 3, 40])
def test_masks_do_not_depend_on_how_many_frames_are_computed_at_a_time(name, nb_frames, monkeypatch):
    x = magnitude(name, nb_frames)
    whole = masks_of(name, x)
    for frames in (1, 7, 16):
        monkeypatch.setattr(network, "FRAMES", frames)
        np.testing.assert_allclose(masks_of(name, x), whole, atol=1e-6)


def test_reset_networks_restart_in_every_sequence():
    x = magnitude("reset")
    masks = masks_of("reset", x)
    for start in range(0, 20, 4):
        np.testing.assert_allclose(masks_of("reset", x[start : start + 4]), masks[:, start : start + 4], atol=1e-6)


@pytest.mark.parametrize("future", [False, True])
def test_local_contrast_is_the_distance_to_means_of_neighbours(future):
    x = np.random.default_rng(0).normal(size=(3, 6, 2, 9)).astype(np.float32)  # two channels and a side channel
    features = local.with_contrast(x, (2, 4), 2, future)
    assert features.shape == (3 + 4, 6, 2, 9)
    np.testing.assert_array_equal(features[:3], x)
    level = x[:2].mean(axis=0)
    for k, radius in enumerate((2, 4)):
        for band, frame in product(range(6), range(9)):
            bands = level[max(0, band - radius) : band + radius + 1, :, frame].mean(axis=0)
            frames = level[band, :, max(0, frame - radius) : frame + radius * future + 1].mean(axis=1)
            np.testing.assert_allclose(features[3 + 2 * k, band, :, frame], level[band, :, frame] - bands, atol=1e-5)
            np.testing.assert_allclose(features[4 + 2 * k, band, :, frame], level[band, :, frame] - frames, atol=1e-5)


@pytest.mark.parametrize("kind", ["softmax", "relu", "abs", "sigmoid"])
def test_a_soft_mask_is_its_formula(kind):
    y = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)
    y[:, 0, 0] = 0
    positive = {"softmax": np.exp(y), "relu": np.maximum(y, 0) + 1e-10, "abs": np.abs(y) + 1e-10}.get(kind)
    expected = 1 / (1 + np.exp(-y)) if positive is None else positive / positive.sum(axis=0)
    np.testing.assert_allclose(soft_mask(y, kind), expected, rtol=1e-5)


def test_context_stacks_neighbouring_frames_and_repeats_the_first_and_last():
    x = np.arange(8, dtype=np.float32).reshape(1, 4, 2)  # frames (0, 1), (2, 3), (4, 5), (6, 7)
    stacked = with_context(x, 1)[0]
    assert stacked.tolist() == [[0, 1, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 6, 7]]
    assert with_context(x, 5)[0, 0].tolist() == [0, 1] * 6 + [2, 3, 4, 5, 6, 7] + [6, 7] * 2


def test_the_side_channel_keeps_the_energy_and_a_band_has_the_energy_of_its_bins():
    random = np.random.default_rng(0)
    spectrum = random.normal(size=(100, 40, 4)).astype(np.float32).view(np.complex64)
    pooling = changed(SMALL, {"input.pooling": 500.0}).input.bins(8000, 64)
    u = seen(spectrum, pooling, True, 0.5)
    assert u.shape == (100, len(pooling.widths), 3)
    energy = 0.25 * (np.abs(spectrum) ** 2)[:, : pooling.nb_bins].sum(axis=1)
    np.testing.assert_allclose((u[..., :2] ** 2).sum(axis=1), energy, rtol=1e-5)
    side = (spectrum[..., :1] - spectrum[..., 1:]) / np.sqrt(2)
    np.testing.assert_allclose(u[..., 2:], seen(side, pooling, False, 0.5), rtol=1e-4)


IMPOSSIBLE = [
    ({"mask.mel": True}, r"^mask\.mel: needs the number of bands in input\.mel"),
    ({"input.mel": 8, "mask.local": [1]}, r"^mask\.local: must be null with mel bands"),
    ({"input.mel": 8, "mask.convolution": 2}, r"^mask\.convolution: must be 0 with mel bands"),
    ({"input.mel": 1}, r"^input\.mel: must be at least 2 bands"),
    ({"input.mel": 8, "input.pooling": 100.0}, r"^input\.pooling: must be null with mel bands"),
    ({"rnn.recurrent": [3]}, r"^rnn\.recurrent: has layer 3, but layers is 2"),
    ({"rnn.recurrent": []}, r"^rnn\.recurrent: must name a layer"),
    ({"mask.local": []}, r"^mask\.local: must name a radius"),
    ({"rnn.cell": "lstm", "defects.lost_checkpoint": True}, r"^defects\.lost_checkpoint: needs rnn\.cell: gru"),
    ({"rnn.cell": "qrnn"}, r"^rnn\.cell: must be one of gru, lstm, vanilla"),
]


def test_impossible_networks_are_rejected():
    for changes, message in IMPOSSIBLE:
        content = asdict(SMALL)
        for key, value in changes.items():
            section, name = key.split(".")
            content[section][name] = value
        with pytest.raises(ParamError, match=message):
            parse(NetworkParams, content)
    mono = changed(STFT, {"channels": "mono"})
    with pytest.raises(ParamError, match=r"^input\.side: needs stft\.channels: stereo"):
        Architecture.of(changed(SMALL, {"input.side": True}), 2, mono)


def test_a_network_in_words():
    plain = "2 × GRU of 6 units, unidirectional"
    vanilla = {"rnn.cell": "vanilla", "rnn.recurrent": (2,), "rnn.bidirectional": True}
    heads = {"mask.local": (3, 8), "mask.convolution": 12}
    for changes, words in (
        ({}, plain),
        ({"rnn.recurrent": (0,)}, "2 dense layers of 6 units"),
        (vanilla, "2 layers of 6 units, bidirectional; vanilla RNN: layer 2, others dense"),
        (heads, f"{plain}; local contrast over 3, 8 bands and frames; convolutions with 12 maps"),
    ):
        assert changed(SMALL, changes).words == words
