"""The models in the package, and models with rounded weights, as they are packed."""

import json
import tomllib
from importlib.metadata import version

import numpy as np
import pytest

from experiments.pack import pack
from rnnsep.network.model import Model, load_model, save_model
from rnnsep.network.packaged import cards
from rnnsep.params import changed
from rnnsep.presets import catalogue
from rnnsep.signal.stft import StftParams
from tests.networks import SMALL, random_network
from tests.repository import ROOT

FILES = {"README.md", "LICENSE", "model.json", "weights.npz"}
MEGABYTES = 12


def test_weights_that_are_for_research_are_a_distribution_of_their_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    excluded = {ROOT / folder for folder in project["tool"]["hatch"]["build"]["exclude"]}
    assert excluded == {card.folder for card in cards() if "NC" in card.licence}
    for folder in excluded:
        own = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert own["version"] == version("rnnsep")


def test_each_model_has_its_own_rank():
    assert [card.rank for card in cards()] == list(range(1, len(cards()) + 1))
    assert {card.name for card in cards()} == {"musdb18-7s", "synthetic"}


def test_weights_of_the_mit_licence_begin_with_no_others():
    assert catalogue.changes("packaged")["training.start"] is None
    for card in cards():
        if card.licence == "MIT":
            description = json.loads((card.folder / "model.json").read_text(encoding="utf-8"))
            assert "start" not in description["provenance"]


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_a_model_is_small_and_comes_with_its_licence_and_nothing_else(card):
    """No audio, features or estimates are shipped, and whoever installs the package has the terms of the weights."""
    assert {path.name for path in card.folder.iterdir()} - {"pyproject.toml"} == FILES
    assert sum(path.stat().st_size for path in card.folder.iterdir()) <= MEGABYTES * 1_000_000
    assert card.licence.split(",")[0] in (card.folder / "LICENSE").read_text(encoding="utf-8")


def test_a_packed_model_is_the_model_with_weights_of_half_precision(tmp_path):
    stft = StftParams(sample_rate=16000, window=2048, hop=1024, channels="mono", taper="hann")
    network = random_network(changed(SMALL, {"rnn.units": 128}), 3, stft)
    model = tmp_path / "models"
    save_model(model, Model(("a", "b", "c"), stft, (network,)), {})
    for name in ("once", "twice"):
        pack(model, tmp_path / name)
    whole, packed = (load_model(folder).networks[0].weights for folder in (model, tmp_path / "once"))
    for path, weight in whole.items():
        assert packed[path].dtype == np.float32
        np.testing.assert_array_equal(weight.astype(np.float16), packed[path])
    assert any((weight != packed[path]).any() for path, weight in whole.items())
    sizes = [(folder / "weights.npz").stat().st_size for folder in (model, tmp_path / "once")]
    assert sizes[1] < sizes[0] / 2
    once, twice = ((tmp_path / name / "weights.npz").read_bytes() for name in ("once", "twice"))
    assert once == twice
