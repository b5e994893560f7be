"""Packed models load as models with rounded weights."""

from pathlib import Path

import numpy as np

from experiments.pack import pack
from rnnsep.network.model import load_model
from rnnsep.network.packaged import PACKAGED


def test_a_packed_model_is_the_model_with_weights_of_half_precision(tmp_path: Path) -> None:
    model = PACKAGED / "synthetic"
    for name in ("once", "twice"):
        pack(model, tmp_path / name)
    whole, packed = (load_model(folder).networks[0].variables for folder in (model, tmp_path / "once"))
    for one, other in zip(whole, packed, strict=True):
        assert one.dtype == other.dtype
        if one.dtype == "float32":
            np.testing.assert_array_equal(one.numpy().astype(np.float16), other.numpy())
    sizes = [(folder / "model.weights.h5").stat().st_size for folder in (model, tmp_path / "once")]
    assert sizes[1] < sizes[0] / 2
    once, twice = ((tmp_path / name / "model.weights.h5").read_bytes() for name in ("once", "twice"))
    assert once == twice
