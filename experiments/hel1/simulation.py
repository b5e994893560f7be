"""
Simulated submissions: scores of networks with random weights on all excerpts, kept in a folder.

A draw of weights is applied to all songs. The draws as they are, are submissions with the same weights for all songs;
a draw of its own for each song makes a submission with new weights for each song. So both hypotheses about a network
have the same scores of single songs and differ in what songs have in common.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from experiments.hel1.excerpts import Excerpt, Samples, names_of
from experiments.hel1.networks import Spectrum, Variant
from experiments.hel1.published import Array, above
from rnnsep.running import files

Weights = Literal["same for all songs", "new for each song"]
EVERY = 4  # draws after which results are kept


def sdr_pool(variant: Variant, excerpts: Sequence[Excerpt], nb_draws: int, folder: Path) -> Array:
    """SDR over MIX of each draw of weights (nb_draws, nb_songs, nb_sources, nb_frames)."""

    def sdr(excerpt: Excerpt, estimates: Samples) -> Array:
        return excerpt.sdr(estimates) - excerpt.sdr_of_mix

    return _pool(variant, excerpts, nb_draws, folder, "sdr", sdr)


def scores_pool(variant: Variant, excerpts: Sequence[Excerpt], mix: Array, nb_draws: int, folder: Path) -> Array:
    """All measures above MIX (see `published.above`), (nb_measures, nb_draws, nb_songs, nb_sources, nb_frames)."""
    pool = _pool(variant, excerpts, nb_draws, folder, "scores", Excerpt.scores)
    return above(np.moveaxis(pool, 2, 0), mix[:, None])


def submissions(pool: Array, weights: Weights, nb: int) -> Array:
    """Simulated submissions (nb, nb_songs, …) from a pool (nb_draws, nb_songs, …); as many as draws if the same."""
    if weights == "same for all songs":
        return pool
    nb_draws, nb_songs = pool.shape[:2]
    random = np.random.default_rng(0)
    return pool[random.integers(0, nb_draws, (nb, nb_songs)), np.arange(nb_songs)]


def _pool(
    variant: Variant,
    excerpts: Sequence[Excerpt],
    nb_draws: int,
    folder: Path,
    kind: str,
    measure: Callable[[Excerpt, Samples], Array],
) -> Array:
    """`measure` of the estimates of each draw and song, (nb_draws, nb_songs, …)."""
    described = json.dumps([variant.described, names_of(excerpts), kind])
    path = folder / "pools" / f"{hashlib.sha256(described.encode()).hexdigest()[:16]}.npy"
    found = list(np.load(path, allow_pickle=False)) if path.exists() else []
    songs = [Spectrum.of(excerpt, variant.stft) for excerpt in excerpts] if len(found) < nb_draws else []
    while len(found) < nb_draws:
        network = variant.draw(len(found), songs)
        found.append(np.stack([measure(song.excerpt, song.estimates(variant.masks(network, song))) for song in songs]))
        if len(found) % EVERY == 0 or len(found) == nb_draws:
            with files.whole(path) as temporary:
                np.save(temporary, np.stack(found))
    return np.stack(found[:nb_draws]).astype(float)
