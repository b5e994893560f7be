"""Model files: what is saved is loaded, and whatever is wrong with a file is one line."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnsep.network.model import Model, load_model, save_model
from rnnsep.network.network import Architecture, Network
from rnnsep.params import changed
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams
from tests.networks import ARCHITECTURES, SMALL, random_network, random_weights

PARAMS = changed(SMALL, {"input.bandwidth": 3000.0})
STFT = StftParams(sample_rate=8000, window=32, hop=16, channels="mono", taper="hann")


def make(channels="mono", nb_networks=1, enhanced=False):
    stft = replace(STFT, channels=channels)
    networks = tuple(random_network(PARAMS, 3, stft, seed) for seed in range(nb_networks))
    architecture = Architecture.of_enhancer(PARAMS, 3, stft)
    enhancer = Network(architecture, random_weights(architecture, 9)) if enhanced else None
    return Model(("a", "b", "c"), stft, networks, enhancer)


def mixture(nb_channels, nb_frames=7):
    random = np.random.default_rng(0)
    parts = random.normal(size=(2, nb_frames, 17, nb_channels))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@pytest.mark.parametrize(("channels", "nb_channels", "nb_masks"), [("mono", 2, 1), ("mono", 1, 1), ("stereo", 2, 2)])
def test_masks_of_a_mixture(channels, nb_channels, nb_masks):
    model = make(channels)
    bands = model.masks(mixture(nb_channels))
    assert bands.shape == (3, 7, 13, nb_masks)
    masks = model.spread(bands)
    assert masks.shape == (3, 7, 17, nb_masks)
    np.testing.assert_array_equal(masks[:, :, 12:], masks[:, :, 12:13].repeat(5, axis=2))
    if channels == "mono":
        mean = mixture(nb_channels).mean(axis=-1, keepdims=True)
        np.testing.assert_array_equal(model.masks(mean), bands)


def test_each_bin_takes_the_mask_of_its_band():
    model = Model(("a",), STFT, (random_network(changed(SMALL, {"input.pooling": 1000.0}), 1, STFT),))
    widths = model.networks[0].architecture.pooling.widths
    bands = np.arange(len(widths), dtype=np.float32)[:, None]
    spread = model.spread(bands)[:, 0].tolist()
    expected = [float(band) for band, width in enumerate(widths) for _ in range(width)]
    assert spread == expected + [expected[-1]] * (17 - len(expected))


def test_an_ensemble_averages_masks_and_an_enhancer_sees_its_estimates():
    x = mixture(1)
    one, two = (Model(("a", "b", "c"), STFT, (network,)) for network in make(nb_networks=2).networks)
    both = make(nb_networks=2)
    np.testing.assert_allclose(both.masks(x), (one.masks(x) + two.masks(x)) / 2, atol=1e-6)
    enhanced = make(enhanced=True)
    assert np.abs(enhanced.masks(x) - one.masks(x)).max() > 0.01
    np.testing.assert_allclose(enhanced.masks(x).sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_saved_model_is_loaded_unchanged_and_equal_weights_are_equal_bytes(tmp_path, name):
    stft = replace(STFT, channels="stereo")
    model = Model(("a", "b"), stft, (random_network(changed(SMALL, ARCHITECTURES[name]), 2, stft),))
    save_model(tmp_path / "first", model, {"best_epoch": 3})
    loaded = load_model(tmp_path / "first")
    assert (loaded.sources, loaded.stft) == (model.sources, model.stft)
    assert loaded.networks[0].architecture == model.networks[0].architecture
    np.testing.assert_array_equal(loaded.masks(mixture(2)), model.masks(mixture(2)))
    save_model(tmp_path / "second", loaded, {"best_epoch": 3})
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


class Trap:
    """An object that leaves a file where it is unpickled."""

    def __init__(self, folder):
        self.path = folder / "sprung"

    def __reduce__(self):
        return Path.touch, (self.path,)


def described(folder, **changes):
    path = folder / "model.json"
    content = json.loads(path.read_text())
    content["network"]["rnn"] |= changes
    path.write_text(json.dumps(content))


def without_one(folder):
    with np.load(folder / "weights.npz") as stored:
        arrays = dict(stored)
    arrays.popitem()
    np.savez(folder / "weights.npz", **arrays)


def truncated(folder):
    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[:500])


NO_WEIGHTS = "weights.npz: not the weights of a network"
FAULTS = {
    "no description": (lambda folder: (folder / "model.json").unlink(), "model.json: no such file"),
    "broken": (lambda folder: (folder / "model.json").write_text("{"), "model.json: not the description"),
    "unknown cell": (lambda folder: described(folder, cell="qrnn"), "network.rnn.cell: must be one of"),
    "unknown key": (lambda folder: described(folder, wings=2), "network.rnn.wings: unknown key"),
    "no weights": (lambda folder: (folder / "weights.npz").unlink(), "weights.npz: no such file"),
    "other shape": (lambda folder: described(folder, units=5), "weights.npz: not the weights of this network"),
    "more layers": (lambda folder: described(folder, layers=3), "1/recurrent_3/forward/kernel is missing"),
    "truncated": (truncated, NO_WEIGHTS),
    "pickle": (lambda folder: (folder / "weights.npz").write_bytes(pickle.dumps(Trap(folder))), NO_WEIGHTS),
    "pickled array": (lambda folder: np.savez(folder / "weights.npz", weights=np.array([Trap(folder)])), NO_WEIGHTS),
    "missing weight": (without_one, "1/heads/bias is missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_model_is_one_line_that_names_the_file(tmp_path, fault):
    folder = tmp_path / "models"
    save_model(tmp_path / "good", make(), {})
    shutil.copytree(tmp_path / "good", folder)
    spoil, message = FAULTS[fault]
    spoil(folder)
    with pytest.raises(UserError) as error:
        load_model(folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (folder / "sprung").exists()
