"""Packed models load as models with rounded weights."""

import numpy as np

from experiments.pack import pack
from rnnsep.network.model import Model, load_model, save_model
from rnnsep.params import changed
from rnnsep.signal.stft import StftParams
from tests.networks import SMALL, random_network


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
