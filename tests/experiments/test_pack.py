"""Packed models load as models with rounded weights."""

from pathlib import Path

import keras
import numpy as np

from experiments.pack import pack
from rnnsep.network.model import Model, load_model, save_model
from rnnsep.network.network import make_network
from rnnsep.params import changed
from rnnsep.signal.stft import StftParams
from tests.networks import SMALL


def test_a_packed_model_is_the_model_with_weights_of_half_precision(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    stft = StftParams(sample_rate=16000, window=2048, hop=1024, channels="mono", taper="hann")
    network = make_network(changed(SMALL, {"rnn.units": 128}), 3, stft)
    model = tmp_path / "models"
    save_model(model, Model(("a", "b", "c"), stft, (network,)), {})
    for name in ("once", "twice"):
        pack(model, tmp_path / name)
    whole, packed = (load_model(folder).networks[0].variables for folder in (model, tmp_path / "once"))
    for one, other in zip(whole, packed, strict=True):
        assert one.dtype == other.dtype
        if one.dtype == "float32":
            np.testing.assert_array_equal(one.numpy().astype(np.float16), other.numpy())
    assert any((one.numpy() != other.numpy()).any() for one, other in zip(whole, packed, strict=True))
    sizes = [(folder / "model.weights.h5").stat().st_size for folder in (model, tmp_path / "once")]
    assert sizes[1] < sizes[0] / 2
    once, twice = ((tmp_path / name / "model.weights.h5").read_bytes() for name in ("once", "twice"))
    assert once == twice
