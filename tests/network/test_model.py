import json
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from rnnsep.network.input import InputParams
from rnnsep.network.model import Model, flat, load_model, save_model, unflat
from rnnsep.network.network import MaskNetwork, NetworkParams, make_enhancer, make_network
from rnnsep.params import changed, value_at
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams
from tests.networks import SMALL

PARAMS = changed(SMALL, {"input.bandwidth": 3000.0})


def make(channels: str = "mono", seed: int = 0, params: NetworkParams = PARAMS) -> Model:
    keras.utils.set_random_seed(seed)
    stft = StftParams(sample_rate=8000, window=32, hop=16, channels=channels, taper="hann")
    network = MaskNetwork(params, 3, params.input.bins(8000, 32).nb_bins, stft.nb_channels)
    return Model(("a", "b", "c"), stft, (network,))


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
    highest = model.networks[0].nb_bins - 1
    assert highest == 12
    np.testing.assert_array_equal(masks[:, :, highest:], masks[:, :, highest : highest + 1].repeat(5, axis=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"rnn.bands": 3},
        {"rnn.bands": 3, "rnn.layers": 1, "rnn.bidirectional": True, "rnn.shared": False},
        {"mask.local": (1, 2), "rnn.bottleneck": 5, "rnn.bidirectional": True, "rnn.residual": True},
        {"mask.convolution": 2, "mask.local": (1,), "rnn.shared": False},
        {"input.mel": 4, "mask.mel": True},
        {"input.context": 1, "rnn.cell": "vanilla", "mask.activation": "abs"},
    ],
    ids=str,
)
def test_all_architectures_give_masks_for_songs_of_any_length(changes: dict[str, Any]) -> None:
    model = make(params=changed(PARAMS, changes))
    stft = mixture(1)
    nb_bins = model.networks[0].nb_bins
    for nb_frames in (1, 7):
        masks = model.masks(stft[:nb_frames])
        plain = model.networks[0](np.abs(stft[None, :nb_frames, :nb_bins])).numpy()[:, 0]
        np.testing.assert_allclose(masks[:, :, :nb_bins], plain, atol=1e-5)
        np.testing.assert_allclose(model.masks(stft[:nb_frames], repeated=True), masks, atol=1e-5)


@pytest.mark.parametrize("repeated", [False, True])
def test_masks_do_not_depend_on_the_songs_before(repeated: bool) -> None:
    stft, model = mixture(1), make()
    for nb_frames in (3, 5, 4):
        after = model.masks(stft[:nb_frames], repeated)
    np.testing.assert_array_equal(after, make().masks(stft[:4], repeated))


def test_a_mono_model_sees_the_mean_of_the_channels() -> None:
    stereo = mixture(2)
    np.testing.assert_array_equal(make().masks(stereo), make().masks(stereo.mean(axis=-1, keepdims=True)))


def test_a_saved_model_loads_unchanged(saved: Path) -> None:
    loaded = load_model(saved)
    assert (loaded.sources, loaded.stft, loaded.networks[0].params) == (make().sources, make().stft, PARAMS)
    np.testing.assert_array_equal(loaded.masks(mixture(2)), make().masks(mixture(2)))


def test_the_same_weights_are_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "again", load_model(saved), {"best_epoch": 3})
    for path in saved.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


class Trap:
    """An object that leaves a file where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def corrupt(folder: Path, how: str) -> None:
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
        weights.write_bytes(pickle.dumps(Trap(folder / "sprung")))
    elif how == "pickled arrays":
        with open(weights, "wb") as file:
            np.savez(file, weights=np.array([Trap(folder / "sprung")], object))
    elif how == "missing weight":
        with h5py.File(weights, "r+") as file:
            names: list[str] = []
            file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            del file[names[-1]]


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
        ("pickled arrays", "model.weights.h5"),
        ("missing weight", "model.weights.h5"),
    ],
)
def test_a_corrupt_model_gives_one_line_that_names_the_file(saved: Path, tmp_path: Path, how: str, file: str) -> None:
    folder = tmp_path / "corrupt"
    shutil.copytree(saved, folder)
    corrupt(folder, how)
    with pytest.raises(UserError) as error:
        load_model(folder)
    assert file in str(error.value)
    assert "\n" not in str(error.value)
    assert not (folder / "sprung").exists()


def test_the_trap_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))  # noqa: S301 - our own
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"defects.half_mixture": True, "defects.reset": 4},
        {
            "input.context": 2,
            "rnn.recurrent": (0,),
            "mask.activation": "abs",
            "input.standardise": False,
            "input.compression": "linear",
        },
        {"input.mel": 5, "mask.mel": True, "rnn.recurrent": (2,)},
        {
            "rnn.bottleneck": 6,
            "rnn.residual": True,
            "rnn.shared": False,
            "input.side": True,
            "input.pooling": 1000.0,
            "input.level": True,
        },
        {"rnn.bands": 3},
    ],
)
@pytest.mark.parametrize("enhanced", [False, True])
def test_any_network_masks_a_mixture_and_loads_unchanged(
    changes: dict[str, Any], enhanced: bool, tmp_path: Path
) -> None:
    params, stft = changed(PARAMS, changes), make("stereo").stft
    second = make_enhancer(params, 3, stft) if enhanced else None
    model = Model(("a", "b", "c"), stft, (make_network(params, 3, stft),), second)
    masks = model.masks(mixture(2))
    assert masks.shape == (3, 7, 17, 2)
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)
    save_model(tmp_path / "models", model, {})
    loaded = load_model(tmp_path / "models")
    np.testing.assert_allclose(loaded.masks(mixture(2)), masks, atol=1e-6)
    save_model(tmp_path / "again", loaded, {})  # names do not depend on networks made before
    for path in (tmp_path / "models").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_model_saved_before_a_setting_existed_loads_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class NewerInput(InputParams):
        harmonics: int = 0

    @dataclass(frozen=True, kw_only=True)
    class Newer(NetworkParams):
        input: NewerInput

    old = flat(PARAMS)
    monkeypatch.setattr("rnnsep.network.model.NetworkParams", Newer)
    loaded = unflat(old)
    assert value_at(loaded, "input.harmonics") == 0
    assert flat(loaded) == old
    assert flat(changed(loaded, {"input.harmonics": 2})) == old | {"input.harmonics": 2}
