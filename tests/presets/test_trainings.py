"""Small trainings of five presets, which differ most, have the losses that were recorded for them."""

from pathlib import Path

import numpy as np
import pytest

from tests.presets.trainings import DEFAULT, train_small

# training and validation loss of each epoch; of two-stage systems those of the second stage come first
LOSSES = {
    DEFAULT: [-1.382, -1.3883, -1.3868, -1.3923],
    "best": [-1.3443, -1.4137, -1.4361, -1.4973],
    "grais2017": [0.16468, 0.12865, 0.14562, 0.12501, 24.507, 24.292, 24.4, 24.238],
    "huang2014-drnn2-disc": [0.72887, 0.35447, 0.41524, 0.14844],
    "weninger2014-ma": [0.24468, 0.24338, 0.24391, 0.24287],
}
# rounding grows fast in recurrent ReLU layers and in a stage behind a ReLU ratio mask
TOLERANCES = {"huang2014-drnn2-disc": 0.02, "grais2017": 0.02}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("eager")
def test_a_small_training_has_the_recorded_losses(name: str, features: Path, tmp_path: Path) -> None:
    _, losses = train_small(name, features, tmp_path)
    np.testing.assert_allclose(losses, LOSSES[name], rtol=TOLERANCES.get(name, 5e-3), atol=1e-5)
