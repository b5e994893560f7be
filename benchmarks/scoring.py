"""
BSSEval v4 of a song with four stereo sources, against museval: CPU time, peak memory, agreement, growth with length.

Songs are low-passed noise in 16-bit wavs of 44.1 kHz, estimates hold some of the other sources and noise, and each
side reads the files itself. Frames of one second, filters of 512 taps. `equal` has one source whose left and right
are the same, as many of MUSDB18 do; `mixture` scores the mixture as the estimate of every source, so that artefacts
are zero and their energies are computed twice. museval takes two minutes of CPU and 7 GB for a song of 240 s.

Run: OMP_NUM_THREADS=1 python -m benchmarks.scoring [60 240] [--rounds 3]
"""

import functools
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _timing

RATE = 44100
NB_SOURCES = 4
LENGTHS = (60, 240)  # seconds
GROWTH = (30, 60, 120, 240, 480)
CHECKED = 5  # seconds


def write_song(folder: Path, seconds: int) -> None:
    """Sources, estimates, a source with equal channels, and the mixture, block by block."""
    import scipy.signal
    import soundfile

    random = np.random.default_rng(0)
    low_pass = scipy.signal.butter(8, 16000, fs=RATE, output="sos")
    names = [f"{kind}{index}" for kind in ("source", "estimate") for index in range(NB_SOURCES)] + ["equal", "mixture"]
    files = {name: soundfile.SoundFile(folder / f"{name}.wav", "w", RATE, 2, "PCM_16") for name in names}
    for _ in range(seconds):
        loudness = random.uniform(0.01, 0.1, (NB_SOURCES, 1, 1))
        noise = random.standard_normal((NB_SOURCES, RATE, 1)) + 0.5 * random.standard_normal((NB_SOURCES, RATE, 2))
        sources = np.round(scipy.signal.sosfilt(low_pass, 32768 * loudness * noise, axis=1)).clip(-8192, 8191)
        mixture = sources.sum(axis=0)
        noise = 300 * random.standard_normal(sources.shape)
        estimates = np.round(0.8 * sources + 0.2 * mixture + noise).clip(-32768, 32767)
        audio = dict(zip(names, (*sources, *estimates, sources[0][:, [0, 0]], mixture), strict=True))
        for name, samples in audio.items():
            files[name].write(samples.astype(np.int16))
    for file in files.values():
        file.close()


def _paths(folder: Path, kind: str) -> Iterator[tuple[list[Path], list[Path]]]:
    """References and estimates: those of a short song, for the untimed call, and then always those of `folder`."""
    names = [f"source{index}" for index in range(NB_SOURCES)]
    estimates = ["mixture"] * NB_SOURCES if kind == "mixture" else [f"estimate{index}" for index in range(NB_SOURCES)]
    if kind == "equal":
        names[0] = "equal"
    for root in (folder.parent / str(CHECKED), *[folder] * 99):
        yield [root / f"{name}.wav" for name in names], [root / f"{name}.wav" for name in estimates]


def our_side(folder: Path, kind: str = "plain") -> Callable[[], Any]:
    from rnnsep.scoring.bsseval.bss_eval import bss_eval
    from rnnsep.signal.audio import AudioFile

    paths = _paths(folder, kind)

    def score() -> Any:
        references, estimates = ([AudioFile(path) for path in side] for side in next(paths))
        return bss_eval(references, estimates, RATE, RATE)[:4]

    return score


def museval_side(folder: Path, kind: str = "plain") -> Callable[[], Any]:
    import soundfile

    from rnnsep.scoring import with_museval

    museval, paths = with_museval.museval(), _paths(folder, kind)

    def score() -> Any:
        references, estimates = ([soundfile.read(path)[0] for path in side] for side in next(paths))
        return museval.evaluate(references, estimates, RATE, RATE)

    return score


def _differences(folder: Path) -> str:
    ours, theirs = (side(folder)() for side in (our_side, museval_side))
    pairs = zip(("SDR", "ISR", "SIR", "SAR"), ours, theirs, strict=True)
    return ", ".join(f"{name} {np.abs(mine - their).max():.1e}" for name, mine, their in pairs)


def run(seconds: int, rounds: int = 3) -> str:
    """Times both sides on a song of `seconds`, and ours on songs of the harder kinds; the section that reports them."""
    with tempfile.TemporaryDirectory() as temporary:
        for length in (CHECKED, seconds):
            (Path(temporary) / str(length)).mkdir()
            write_song(Path(temporary) / str(length), length)
        folder = Path(temporary) / str(seconds)
        sides = {
            "rnnsep": functools.partial(our_side, folder),
            "rnnsep, equal channels": functools.partial(our_side, folder, "equal"),
            "rnnsep, mixture": functools.partial(our_side, folder, "mixture"),
            "museval": functools.partial(museval_side, folder),
        }
        timings = _timing.alternate(sides, rounds)
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a process's peak memory passes to its children
            differences = pool.apply(_differences, [Path(temporary) / str(CHECKED)])
    return "\n".join(
        [
            f"### BSSEval v4, four stereo sources, {seconds} s, one thread",
            "",
            _timing.table(timings, "rnnsep"),
            "",
            f"Largest difference over a song of {CHECKED} s, dB: {differences}.",
            "",
        ]
    )


def growth(rounds: int = 3) -> str:
    """Ours on songs of growing length, each in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        for length in (CHECKED, *GROWTH):
            (Path(temporary) / str(length)).mkdir()
            write_song(Path(temporary) / str(length), length)
        sides = {f"{length} s": functools.partial(our_side, Path(temporary) / str(length)) for length in GROWTH}
        timings = _timing.alternate(sides, rounds)
    lines = ["### BSSEval v4, growth with the length of the song", "", "| song | CPU s | CPU s per minute | peak MB |"]
    lines.append("|---|---:|---:|---:|")
    for length in GROWTH:
        timing = timings[f"{length} s"]
        per_minute = timing.median_cpu * 60 / length
        lines.append(f"| {length} s | {timing.median_cpu:.2f} | {per_minute:.2f} | {timing.peak / 1e6:.0f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    seconds = {"nargs": "*", "type": int, "default": LENGTHS}
    arguments = _timing.begin(__doc__, 3, "museval", "numpy", "scipy", seconds=seconds)
    for seconds in arguments.seconds:
        print(run(seconds, arguments.rounds), flush=True)
    print(growth(arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
