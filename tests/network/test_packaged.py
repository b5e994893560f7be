"""The models in the package and their cards."""

import pytest

from rnnsep.network.packaged import cards

FILES = {"README.md", "LICENSE", "model.json", "weights.npz"}
MEGABYTES = 12


def test_each_model_has_its_own_rank():
    assert [card.rank for card in cards()] == list(range(1, len(cards()) + 1))
    assert {card.name for card in cards()} == {"musdb18-7s", "synthetic"}


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_a_model_is_small_and_comes_with_its_licence_and_nothing_else(card):
    """No audio, features or estimates are shipped, and whoever installs the package has the terms of the weights."""
    assert {path.name for path in card.folder.iterdir()} == FILES
    assert sum(path.stat().st_size for path in card.folder.iterdir()) <= MEGABYTES * 1_000_000
    assert card.licence.split(",")[0] in (card.folder / "LICENSE").read_text(encoding="utf-8")
