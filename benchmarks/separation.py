"""
Separation with the network of params.yaml: against real time, and against Open-Unmix's separator at equal size.

One minute of stereo noise at 44.1 kHz, weights as initialised, all four sources; STFT to STFT and back to samples.
Open-Unmix has a network for each source: three unidirectional LSTM layers, as many units as give the four networks
together the number of weights that ours has, the same STFT and band. Its filter is off, or one EM iteration.

Run: OMP_NUM_THREADS=1 python -m benchmarks.separation [--rounds 5]
"""

import bisect
import functools
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _timing
from benchmarks._model import random_model
from rnnsep.params import parse, read_yaml

SECONDS = 60
SOURCES = ("drums", "bass", "other", "vocals")


def _mixture(rate: int) -> Any:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (SECONDS * rate, 2)).astype(np.float32)


def our_side(filter_name: str) -> Callable[[], object]:
    """One song in one process, on one thread."""
    from rnnsep.separation.blocks import SeparationParams, separate

    document = read_yaml(Path("params.yaml"))
    model = random_model(document, SOURCES)
    mixture = _mixture(model.stft.sample_rate)
    params = parse(SeparationParams, document["separation"] | {"filter": filter_name}, "separation")

    def separate_song() -> int:
        return sum(block.shape[1] for block in separate(mixture, model.stft.sample_rate, model, params))

    return separate_song


def _follow(pipe: Connection, filter_name: str) -> None:
    separate_song = our_side(filter_name)
    while True:
        pipe.send(True)
        pipe.recv()
        separate_song()


def two_processes(filter_name: str) -> Callable[[], object]:
    """A song in each of two processes, as the stage does it on two cores."""
    pipe, other_end = multiprocessing.Pipe()
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # may have a child
    child = multiprocessing.get_context("spawn").Process(target=_follow, args=(other_end, filter_name), daemon=True)
    child.start()
    separate_song = our_side(filter_name)
    pipe.recv()

    def separate_two() -> None:
        pipe.send(True)
        separate_song()
        pipe.recv()

    return separate_two


def open_unmix_side(iterations: int) -> Callable[[], object]:
    """Open-Unmix's `Separator`, the whole song at once, on one thread."""
    import torch
    from openunmix.model import OpenUnmix, Separator

    torch.set_num_threads(1)
    model = random_model(read_yaml(Path("params.yaml")), SOURCES)
    stft, nb_seen = model.stft, model.networks[0].architecture.pooling.nb_bins

    def network(units: int) -> Any:
        one = OpenUnmix(stft.nb_bins, stft.nb_channels, units, 3, unidirectional=True, max_bin=nb_seen)
        return one.eval()

    def nb_weights(units: int) -> int:  # of all four
        return len(SOURCES) * sum(weights.numel() for weights in network(units).parameters())

    size = sum(weights.size for weights in model.networks[0].weights.values())
    units = bisect.bisect(range(1024), size, key=nb_weights, lo=8)
    separator = Separator(
        {source: network(units) for source in SOURCES},
        niter=iterations,
        sample_rate=float(stft.sample_rate),
        n_fft=stft.window,
        n_hop=stft.hop,
        nb_channels=stft.nb_channels,
    ).eval()
    mixture = torch.from_numpy(_mixture(stft.sample_rate).T.copy())[None]

    def separate_song() -> object:
        with torch.no_grad():
            return separator(mixture)

    return separate_song


def run(rounds: int = 5) -> str:
    """Times all sides and returns the sections that report them."""
    parts = []
    for filter_name, iterations in (("mask", 0), ("wiener", 1)):
        sides = {
            "rnnsep": functools.partial(our_side, filter_name),
            "openunmix.Separator": functools.partial(open_unmix_side, iterations),
        }
        timings = _timing.alternate(sides, rounds)
        both = _timing.alternate({"two": functools.partial(two_processes, filter_name)}, rounds)["two"]
        parts += [
            f"### Separation of {SECONDS} s of stereo into four sources, filter {filter_name}",
            "",
            _timing.table(timings, "rnnsep"),
            "",
            f"One core: {SECONDS / timings['rnnsep'].median_cpu:.0f} x real time. Two processes on two cores: "
            f"{2 * SECONDS / both.median_wall:.0f} x real time by the clock.",
            "",
        ]
    return "\n".join(parts)


def main() -> None:
    print(run(_timing.begin(__doc__, 5, "tensorflow", "numpy", "scipy", "openunmix", "torch").rounds), flush=True)


if __name__ == "__main__":
    main()
