"""Small trainings of five presets, which differ most, have the losses that were recorded for them."""

import numpy as np
import pytest

from tests.presets.trainings import DEFAULT, train_small

# training and validation loss of each epoch; of two-stage systems those of the second stage come first
LOSSES = {
    DEFAULT: [-1.38406, -1.38988, -1.38909, -1.39362],
    "best": [-1.3369, -1.42934, -1.47311, -1.53429],
    "grais2017": [0.141074, 0.130123, 0.118777, 0.126928, 24.41, 24.2657, 24.3968, 24.2092],
    "huang2014-drnn2-disc": [0.962487, 0.477176, 0.345355, 0.288691],
    "weninger2014-ma": [0.244904, 0.243331, 0.244085, 0.242843],
}
# rounding grows fast in recurrent ReLU layers and in a stage behind a ReLU ratio mask
TOLERANCES = {"huang2014-drnn2-disc": 0.02, "grais2017": 0.02}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("eager")
def test_a_small_training_has_the_recorded_losses(name, features, tmp_path):
    _, losses = train_small(name, features, tmp_path)
    np.testing.assert_allclose(losses, LOSSES[name], rtol=TOLERANCES.get(name, 5e-3), atol=1e-5)
