"""Which sources a model takes for others: the share of each source's energy that each mask lets through.

python -m experiments.leakage MODEL data/features [train]

MODEL is a folder or the name of a packaged model. The features must have its STFT. Songs are those of the split
`valid`, or the one given; the model should not have learned from them.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnsep.features.storage import open_features
from rnnsep.network.model import Model, load_model
from rnnsep.network.packaged import find_model


def passed(model: Model, sources: NDArray[np.complex64]) -> NDArray[np.float64]:
    """The energy of each source (column) behind each mask (row), relative to the energy of all sources.

    `sources` are STFTs (nb_sources, nb_frames, nb_bins, nb_channels). If masks sum to one, columns sum
    to the shares of the sources.
    """
    masks = model.spread(model.masks(sources.sum(axis=0)))
    energies = [np.square(np.abs(source)) for source in sources]
    return np.array([[float((mask * energy).sum()) for energy in energies] for mask in masks]) / float(
        sum(energy.sum() for energy in energies)
    )


if __name__ == "__main__":
    model, features = load_model(find_model(sys.argv[1])), open_features(Path(sys.argv[2]))
    split = sys.argv[3] if len(sys.argv) > 3 else "valid"
    total = np.zeros((len(features.sources), len(features.sources)))
    for song in features.songs:
        if song.split == split:
            x = np.stack(list(features.arrays(song.name).values())).astype(np.float32)
            total += passed(model, x[..., 0] + 1j * x[..., 1])
    print(" " * 9 + "".join(f"{source:>9}" for source in features.sources))
    for source, row in zip(features.sources, 100 * total / total.sum(axis=0), strict=True):
        print(f"{source:9}" + "".join(f"{share:7.0f} %" for share in row))
