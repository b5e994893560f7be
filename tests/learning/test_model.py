import json
import pickle
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from rnnsep.learning.model import Model, load_model, save_model
from rnnsep.learning.network import Defects, MaskNetwork, NetworkParams
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams

PARAMS = NetworkParams(
    cell="gru",
    layers=2,
    recurrent=None,
    units=6,
    bidirectional=False,
    dropout=0.0,
    noise=0.0,
    context=0,
    bandwidth=3000.0,
    mel=0,
    mel_mask=False,
    input="log",
    standardise=True,
    mask="softmax",
    defects=Defects(half_mixture=False, reset=0),
)


def make(channels: str = "mono", seed: int = 0) -> Model:
    keras.utils.set_random_seed(seed)
    stft = StftParams(8000, 32, 16, channels, "hann")  # type: ignore[arg-type]
    network = MaskNetwork(PARAMS, 3, PARAMS.nb_bins(8000, 32), stft.nb_channels)
    return Model(("a", "b", "c"), stft, network)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(tmp_path / "models", make(), {"best_epoch": 3})
    return tmp_path / "models"


def mixture(nb_channels: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return (random.normal(size=(7, 17, nb_channels)) + 1j * random.normal(size=(7, 17, nb_channels))).astype(
        np.complex64
    )


@pytest.mark.parametrize(("channels", "nb_channels", "nb_masks"), [("mono", 2, 1), ("mono", 1, 1), ("stereo", 2, 2)])
def test_masks_of_a_mixture(channels: str, nb_channels: int, nb_masks: int) -> None:
    model = make(channels)
    masks = model.masks(mixture(nb_channels))
    assert masks.shape == (3, 7, 17, nb_masks)
    assert masks.dtype == np.float32
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)
    highest = model.network.nb_bins - 1
    assert highest == 12
    np.testing.assert_array_equal(masks[:, :, highest:], masks[:, :, highest : highest + 1].repeat(5, axis=2))


def test_a_mono_model_sees_the_mean_of_the_channels() -> None:
    stereo = mixture(2)
    np.testing.assert_array_equal(make().masks(stereo), make().masks(stereo.mean(axis=-1, keepdims=True)))


def test_a_saved_model_comes_back_the_same(saved: Path) -> None:
    loaded = load_model(saved)
    assert (loaded.sources, loaded.stft, loaded.network.params) == (make().sources, make().stft, PARAMS)
    np.testing.assert_array_equal(loaded.masks(mixture(2)), make().masks(mixture(2)))


def test_the_same_weights_are_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "again", load_model(saved), {"best_epoch": 3})
    for path in saved.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def spoil(folder: Path, how: str) -> None:
    description, weights = folder / "model.json", folder / "model.weights.h5"
    if how == "no description":
        description.unlink()
    elif how == "no weights":
        weights.unlink()
    elif how == "broken description":
        description.write_text("{")
    elif how == "unknown cell":
        content = json.loads(description.read_text())
        content["rnn"]["cell"] = "qrnn"
        description.write_text(json.dumps(content))
    elif how == "other shape":
        content = json.loads(description.read_text())
        content["rnn"]["units"] = 5
        description.write_text(json.dumps(content))
    elif how == "more layers":
        content = json.loads(description.read_text())
        content["rnn"]["layers"] = 3
        description.write_text(json.dumps(content))
    elif how == "truncated weights":
        weights.write_bytes(weights.read_bytes()[:500])
    elif how == "pickle":
        weights.write_bytes(pickle.dumps({"weights": [1, 2]}))


@pytest.mark.parametrize(
    ("how", "file"),
    [
        ("no description", "model.json"),
        ("broken description", "model.json"),
        ("unknown cell", "rnn.cell"),
        ("no weights", "model.weights.h5"),
        ("other shape", "model.weights.h5"),
        ("more layers", "model.weights.h5"),
        ("truncated weights", "model.weights.h5"),
        ("pickle", "model.weights.h5"),
    ],
)
def test_a_spoilt_model_is_one_line_that_names_the_file(saved: Path, tmp_path: Path, how: str, file: str) -> None:
    folder = tmp_path / "spoilt"
    shutil.copytree(saved, folder)
    spoil(folder, how)
    with pytest.raises(UserError) as error:
        load_model(folder)
    assert file in str(error.value)
    assert "\n" not in str(error.value)
