"""Pack a trained model for the package: the same files with weights as float16, compressed.

python -m experiments.pack models src/rnnsep/models/NAME
"""

import shutil
import sys
from pathlib import Path

import h5py
import numpy as np


def pack(models: Path, target: Path) -> None:
    """Write the model in `models` to `target` with half the precision of its weights."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(models / "model.json", target / "model.json")
    for path in sorted(models.glob("*.weights.h5")):
        with h5py.File(path) as source, h5py.File(target / path.name, "w") as packed:
            source.visititems(lambda name, item, packed=packed: _copy(name, item, packed))


def _copy(name: str, item: h5py.Group | h5py.Dataset, packed: h5py.File) -> None:
    if isinstance(item, h5py.Group):
        copy = packed.require_group(name)
    else:
        values = item[()]
        if values.dtype == np.float32:
            values = values.astype(np.float16)
        options = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if values.ndim else {}
        copy = packed.create_dataset(name, data=values, track_times=False, **options)
    for key, value in item.attrs.items():
        copy.attrs[key] = value


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
