"""
Time and memory of stages as the songs get many: 125, 250 and 500 of 30 s, in one process on one core.

    python -m benchmarks.scale FOLDER [--songs N ...] [--seconds S] [--stages features baselines separate]

FOLDER must be on a disk with room for the largest corpus and what a stage makes of it, 50 MB a song; it is emptied in
the end.
"""

import argparse
import functools
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks import _timing
from benchmarks.pipeline import RATE, SOURCES, features_side, score_side, separate_side, write_songs
from rnnsep.signal.corpus import Corpus, Song

SIDES = {"features": features_side, "baselines": score_side, "separate": separate_side}


def part(root: Path, songs: list[str], seconds: int, stage: str) -> Path:
    """A corpus of some of the songs, all of which the stage works on."""
    subset, split = ("train", "train") if stage == "features" else ("test", "test")
    folder = root / f"{stage} {len(songs)}"
    folder.mkdir()
    (folder / subset).symlink_to(root / "songs", target_is_directory=True)
    described = [Song(name, subset, split, RATE, seconds * RATE, 2) for name in songs]  # type: ignore[arg-type]
    Corpus(folder, "noise", SOURCES, tuple(described)).write()
    return folder


def measured(make: Callable[[Path, Path], Callable[[], object]], corpus: Path) -> tuple[float, float, int]:
    """CPU and wall time of a stage in seconds, and the peak memory of its process in bytes."""
    call = make(corpus, corpus)
    wall, cpu = time.perf_counter(), _timing.cpu_seconds()
    call()
    return _timing.cpu_seconds() - cpu, time.perf_counter() - wall, _timing.peak_bytes()


def bytes_made(folder: Path) -> int:
    """Bytes of the files in a folder, other than through links."""
    return sum(
        (Path(where) / name).stat().st_size for where, _, names in os.walk(folder, followlinks=False) for name in names
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--songs", type=int, nargs="+", default=[125, 250, 500])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--stages", nargs="+", choices=SIDES, default=["features", "baselines"])
    options = parser.parse_args()
    root = options.folder / "scale"
    root.mkdir(parents=True)
    os.environ.update(dict.fromkeys(_timing.THREAD_VARIABLES, "1"), TF_CPP_MIN_LOG_LEVEL="3", RNNSEP_WORKERS="1")
    print(_timing.machine("tensorflow", "numpy", "scipy"), end="\n\n")
    print("| stage | songs | CPU s | CPU s per song | wall s | peak MB | MB on disk per song |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    try:
        names = [f"Song {index:05d}" for index in range(max(options.songs))]
        write_songs(root / "songs", names, options.seconds)
        for stage in options.stages:
            for count in options.songs:
                corpus = part(root, names[:count], options.seconds, stage)
                with ProcessPoolExecutor(1, get_context("spawn"), initializer=_timing.quiet) as pool:
                    cpu, wall, peak = pool.submit(functools.partial(measured, SIDES[stage], corpus)).result()
                made = bytes_made(corpus) / count / 1e6
                cells = f"{cpu:.1f} | {cpu / count:.3f} | {wall:.1f} | {peak / 1e6:.0f} | {made:.2f}"
                print(f"| {stage} | {count} | {cells} |", flush=True)
                shutil.rmtree(corpus)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
