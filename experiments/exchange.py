"""What a stem of another corpus costs: scores of a model on songs of which one source comes from another corpus.

python -m experiments.exchange MODEL data/corpus OTHER/data/corpus [train]

MODEL is a folder or the name of a packaged model. Songs are those of the split `valid`, or the one given, which the
model should not have learned from. A source that a model trained on the first corpus separates worse when it comes from
the other one is unlike what it stands for; `none` is the songs as they are.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rnnsep.app.arrays import separate
from rnnsep.network.model import Model, load_model
from rnnsep.network.packaged import find_model
from rnnsep.scoring.bsseval.bss_eval import bss_eval
from rnnsep.signal.corpus import Corpus, Song

Audio = NDArray[np.float32]

SILENT = 1e-6  # power below which a stem counts as silent
TRIES = 100


def excerpt(corpus: Corpus, songs: Sequence[Song], source: str, like: Audio, random: Generator) -> Audio:
    """A random part of a random song's stem, with the shape and energy of `like`, (nb_samples, nb_channels)."""
    for _ in range(TRIES):
        stem = corpus.stem(songs[int(random.integers(len(songs)))], source)
        x = np.asarray(stem[:], np.float32)
        start = int(random.integers(max(1, len(x) - len(like) + 1)))
        x = np.resize(x[start : start + len(like)], like.shape)
        if (power := float(np.mean(x**2))) > SILENT:
            return np.asarray(x * np.sqrt(float(np.mean(like**2)) / power), np.float32)
    raise ValueError(f"{source}: {TRIES} stems in a row are silent")


def scores(model: Model, references: Sequence[Audio], rate: int) -> NDArray[np.float64]:
    """SDR of each source (dB), the median over 1-s frames, in the sum of the `references`."""
    estimates = separate(np.sum(references, axis=0), rate, model, filter="wiener")
    return np.asarray(np.nanmedian(bss_eval(references, list(estimates.values()), rate, rate)[0], axis=1))


if __name__ == "__main__":
    model = load_model(find_model(sys.argv[1]))
    corpus, other = (Corpus.read(Path(path)) for path in sys.argv[2:4])
    songs, others = corpus.of_split(sys.argv[4] if len(sys.argv) > 4 else "valid"), other.of_split("train")
    found: dict[str, list[NDArray[np.float64]]] = {source: [] for source in ("none", *corpus.sources)}
    for song in songs:
        random = np.random.default_rng(len(found["none"]))
        stems = [np.asarray(corpus.stem(song, source)[:], np.float32) for source in corpus.sources]
        for exchanged, rows in found.items():
            references = [
                excerpt(other, others, source, stem, random) if source == exchanged else stem
                for source, stem in zip(corpus.sources, stems, strict=True)
            ]
            rows.append(scores(model, references, song.rate))
    print("exchanged" + "".join(f"{source:>9}" for source in (*corpus.sources, "mean")))
    for exchanged, rows in found.items():
        means = np.nanmean(rows, axis=0)
        print(f"{exchanged:9}" + "".join(f"{value:9.2f}" for value in (*means, np.nanmean(rows))))
