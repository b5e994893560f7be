"""The settings of a training: what belongs to each network, and what cannot be combined."""

import pytest

from rnnsep.params import ParamError, changed
from tests.learning.small import RECIPE

LBFGS = {"optimizer.name": "lbfgs", "training.averaging": 0.0, "rnn.dropout": 0.0}


def test_the_enhancement_network_has_its_own_layers_mask_and_loss():
    own = {"enhancement.layers": 1, "enhancement.discrimination": 0.2, "loss.pretraining_epochs": 2}
    recipe = changed(RECIPE, own)
    expected = {"rnn.layers": 1, "mask.activation": "relu", "loss.name": "magnitude", "loss.discrimination": 0.2,
                "loss.pretraining_epochs": 0}  # fmt: skip
    assert recipe.enhancing == changed(recipe, expected)


def test_settings_that_exclude_each_other_are_rejected_by_key():
    for changes, message in (
        ({"loss.segment": 5}, r"^loss\.segment: must divide sampling\.frames \(32\)"),
        ({"enhancement.layers": 1, "training.networks": 2}, r"^training\.networks: must be 1"),
        (LBFGS | {"rnn.dropout": 0.1}, r"^rnn\.dropout: must be 0; L-BFGS"),
        (LBFGS | {"input.noise": 0.1}, r"^input\.noise: must be 0; L-BFGS"),
        (LBFGS | {"training.averaging": 0.5}, r"^training\.averaging: must be 0; L-BFGS"),
        (LBFGS | {"optimizer.weight_decay": 0.5}, r"^optimizer\.weight_decay: must be 0; L-BFGS"),
    ):
        with pytest.raises(ParamError, match=message):
            changed(RECIPE, changes).check()


def test_settings_that_fit_are_accepted_and_more_epochs_continue_where_the_schedule_allows():
    constant = {"training.schedule": "constant"}
    for changes, continued in (
        ({}, ()), (LBFGS, ()), (constant, ("training.epochs",)), (constant | {"enhancement.layers": 1}, ()),
        (constant | {"training.start": "models"}, ()),
    ):  # fmt: skip
        recipe = changed(RECIPE, changes)
        recipe.check()
        assert recipe.continued == continued
