"""
The cost of a whole run: sampling, training step, growth with songs and their length, and a run with nothing to do.

    python -m benchmarks.pipeline [--rounds N]
"""

import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks import _timing
from rnnsep import params
from rnnsep.signal.corpus import Corpus, Song
from rnnsep.signal.stft import StftParams
from rnnsep.signal.writing import write_wav

ROOT = Path(__file__).resolve().parents[1]
RATE = 44100  # Hz
SOURCES = ("vocals", "drums", "bass", "other")
SECONDS = 15  # length of the shortest song
FACTORS = (1, 2, 4, 8)


def document() -> dict:  # type: ignore[type-arg]
    return params.read_yaml(ROOT / "params.yaml")


def write_songs(folder: Path, names: Sequence[str], seconds: int) -> None:
    """Songs of noise, 44.1 kHz stereo."""
    for index, name in enumerate(names):
        random = np.random.default_rng(index)
        stems = {source: random.integers(-4000, 4000, (seconds * RATE, 2), np.int16) for source in SOURCES}
        stems["mixture"] = np.sum(list(stems.values()), axis=0, dtype=np.int16)
        for stem, audio in stems.items():
            write_wav(folder / name / f"{stem}.wav", [audio], RATE)


def write_corpus(root: Path, nb_songs: int, seconds: int) -> None:
    """`nb_songs` training and as many test songs of noise."""
    songs = []
    for subset in ("test", "train"):
        names = [f"{subset} {index:03d}" for index in range(nb_songs)]
        write_songs(root / subset, names, seconds)
        songs += [Song(name, subset, subset, RATE, seconds * RATE, 2) for name in names]  # type: ignore[arg-type]
    Corpus(root, "noise", SOURCES, tuple(songs)).write()


def features_side(root: Path, corpus: Path) -> Callable[[], object]:
    from rnnsep.features.extraction import write_features

    count = iter(range(100))
    stft = params.parse(StftParams, document()["stft"], "stft")
    return lambda: write_features(corpus, root / f"features-{next(count)}", stft)


def separate_side(root: Path, corpus: Path) -> Callable[[], object]:
    from benchmarks._model import random_model
    from rnnsep.network.model import save_model
    from rnnsep.separation.blocks import SeparationParams
    from rnnsep.separation.estimates import separate_corpus
    from rnnsep.signal.corpus import SplitParams

    values = document()
    save_model(root / "models", random_model(values, SOURCES), {})
    separation = params.parse(SeparationParams, values["separation"], "separation")
    count = iter(range(100))
    split = SplitParams(split="test")
    return lambda: separate_corpus(corpus, root / "models", root / f"estimates-{next(count)}", separation, split)


def score_side(root: Path, corpus: Path) -> Callable[[], object]:
    from rnnsep.scoring.baselines import score_baselines
    from rnnsep.signal.corpus import EvaluationParams

    evaluation = params.select(EvaluationParams, document()["evaluation"])
    count = iter(range(100))

    def score() -> None:
        folder = root / f"scores-{next(count)}"
        score_baselines(corpus, folder / "MIX", folder / "IRM1", evaluation)

    return score


def growth(name: str, make: Callable[[Path, Path], Callable[[], object]], rounds: int) -> str:
    """CPU time and peak memory as songs get more, and as one gets longer."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        sides = {}
        for factor in FACTORS:
            for kind, nb_songs, seconds in (("songs", factor, SECONDS), ("length", 1, factor * SECONDS)):
                folder = root / f"{kind} {factor}"
                write_corpus(folder / "corpus", nb_songs, seconds)
                sides[f"{kind} {factor}"] = functools.partial(make, folder, folder / "corpus")
        timings = _timing.alternate(sides, rounds)
    lines = [
        f"### {name}: growth with the number of songs of {SECONDS} s, and with the length of one",
        "",
        "| times | songs: CPU s | peak MB | length: CPU s | peak MB |",
        "|---:|---:|---:|---:|---:|",
    ]
    for factor in FACTORS:
        both = (timings[f"songs {factor}"], timings[f"length {factor}"])
        cells = " | ".join(f"{timing.median_cpu:.2f} | {timing.peak / 1e6:.0f}" for timing in both)
        lines.append(f"| {factor} | {cells} |")
    return "\n".join([*lines, ""])


def trainer_side(corpus_root: Path, part: str) -> Callable[[], object]:
    """One training step, or the preparation of its batch, with the default parameters."""
    from rnnsep.features.extraction import write_features
    from rnnsep.features.storage import open_features
    from rnnsep.layers.network import MaskNetwork
    from rnnsep.learning.recipe import Recipe
    from rnnsep.learning.sampling import Sampler
    from rnnsep.learning.trainer import Trainer
    from rnnsep.network.network import Architecture

    values = document()
    stft = params.parse(StftParams, values["stft"], "stft")
    features = corpus_root / f"features-{part}"
    write_features(corpus_root / "corpus", features, stft)
    recipe = params.select(Recipe, values)
    nb_bins = recipe.input.bins(stft.sample_rate, stft.window).nb_bins
    sampler = Sampler(open_features(features), "train", recipe.sampling, nb_bins)
    if part == "sampling":
        return lambda: sampler.batch(0, 0, 0)
    trainer = Trainer(MaskNetwork(Architecture.of(recipe.network, len(SOURCES), stft)), recipe)
    batch = sampler.batch(0, 0, 0)
    return lambda: trainer.step(batch, 1e-3)


def sampling(rounds: int) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        write_corpus(Path(temporary) / "corpus", 4, SECONDS)
        sides = {
            "training step": functools.partial(trainer_side, Path(temporary), "step"),
            "sampling": functools.partial(trainer_side, Path(temporary), "sampling"),
        }
        timings = _timing.alternate(sides, rounds)
    step, batch = (timings[name].median_cpu for name in sides)
    return (
        "### Sampling next to the training step, default parameters, one thread each\n\n"
        f"{1000 * batch:.0f} ms of CPU time for a batch, {1000 * step:.0f} ms for the step: {100 * batch / step:.0f} %;"
        " the next batch is prepared while the step runs.\n"
    )


def nothing_to_do(rounds: int) -> str:
    """`dvc repro` in this repository when all is up to date (it must be), by the clock."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "repro"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
        times.append(time.perf_counter() - start)
        if "Running stage" in done.stdout:
            return "### A run with nothing to do\n\nNot measured: the pipeline was not up to date.\n"
    return f"### A run with nothing to do\n\n`dvc repro`: {np.median(times):.2f} s (median of {rounds}).\n"


def main() -> None:
    rounds = _timing.begin(__doc__, 3, "tensorflow", "numpy", "scipy", "dvc").rounds
    print(sampling(rounds), flush=True)
    print(growth("Features", features_side, rounds), flush=True)
    print(growth("Separation", separate_side, rounds), flush=True)
    print(growth("Scoring of MIX and IRM1", score_side, rounds), flush=True)
    print(nothing_to_do(rounds), flush=True)


if __name__ == "__main__":
    main()
