"""
Features: the STFT against librosa's and scipy's plain call, and whole feature files against real time.

STFT: one minute of stereo float32 noise at 44.1 kHz. Feature files: a song of one minute, four stereo sources in
16-bit wavs, of which half are low-passed, as AAC leaves them; read, (resampled,) transformed, written and
synchronised to disk.

Run: OMP_NUM_THREADS=1 python -m benchmarks.features [--rounds 9]
"""

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _timing

SECONDS = 60
RATE = 44100
TRANSFORMS = {
    "params.yaml's": {"sample_rate": 44100, "window": 2048, "hop": 1024, "channels": "mono"},
    "44.1 kHz stereo, 4096 / 1024": {"sample_rate": 44100, "window": 4096, "hop": 1024, "channels": "stereo"},
    "16 kHz mono, 1024 / 512, resampled": {"sample_rate": 16000, "window": 1024, "hop": 512, "channels": "mono"},
}


def _audio() -> Any:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (SECONDS * RATE, 2)).astype(np.float32)


def our_stft(window: int) -> Callable[[], object]:
    from rnnsep.signal.stft import StftParams, stft

    audio, params = (
        _audio(),
        StftParams(sample_rate=RATE, window=window, hop=window // 4, channels="stereo", taper="hann"),
    )
    return lambda: stft(audio, params)


def librosa_stft(window: int) -> Callable[[], object]:
    """Channels first, as librosa wants them; complex64 as ours."""
    import librosa

    audio = np.ascontiguousarray(_audio().T)
    return lambda: librosa.stft(audio, n_fft=window, hop_length=window // 4)


def scipy_stft(window: int) -> Callable[[], object]:
    import scipy.signal

    audio = np.ascontiguousarray(_audio().T)
    return lambda: scipy.signal.stft(audio, RATE, nperseg=window, noverlap=window * 3 // 4)


def feature_files(transform: str) -> Callable[[], object]:
    """`write_features` for a corpus of one song."""
    import os

    import scipy.signal

    from rnnsep.features.extraction import write_features
    from rnnsep.signal.corpus import Corpus, Song
    from rnnsep.signal.stft import StftParams
    from rnnsep.signal.writing import write_wav

    os.environ["RNNSEP_WORKERS"] = "1"
    temporary = tempfile.TemporaryDirectory(prefix="rnnsep-benchmark-")  # the call below keeps it
    root = Path(temporary.name)
    song = Song("song", "train", "train", RATE, SECONDS * RATE, 2)
    low_pass = scipy.signal.butter(20, 16000, fs=RATE, output="sos")
    for index in range(4):
        audio = _audio() if index % 2 else scipy.signal.sosfilt(low_pass, _audio(), axis=0).astype(np.float32)
        write_wav(root / "corpus" / "train" / "song" / f"{index}.wav", [audio], RATE)
    Corpus(root / "corpus", "benchmark", tuple("0123"), (song,)).write()
    params = StftParams(**TRANSFORMS[transform], taper="hann")

    def write(_: object = temporary) -> None:
        write_features(root / "corpus", root / "features", params)
        shutil.rmtree(root / "features")

    return write


def run(rounds: int = 9) -> str:
    """Times all sides and returns the sections that report them."""
    parts = []
    for window in (1024, 4096):
        sides = {
            "rnnsep.signal.stft": functools.partial(our_stft, window),
            "librosa.stft": functools.partial(librosa_stft, window),
            "scipy.signal.stft": functools.partial(scipy_stft, window),
        }
        table = _timing.table(_timing.alternate(sides, rounds), "rnnsep.signal.stft")
        parts += [f"### STFT of {SECONDS} s of stereo, window {window}, hop {window // 4}, one thread", "", table, ""]
    files = {name: functools.partial(feature_files, name) for name in TRANSFORMS}
    parts += [
        f"### Feature files of a song of {SECONDS} s with four stereo sources at 44.1 kHz, one core",
        "",
        "| STFT | CPU s | x real time | peak MB |",
        "|---|---:|---:|---:|",
    ]
    for name, timing in _timing.alternate(files, rounds).items():
        cpu = timing.median_cpu
        parts.append(f"| {name} | {cpu:.3f} | {SECONDS / cpu:.0f} | {timing.peak / 1e6:.0f} |")
    return "\n".join([*parts, ""])


def main() -> None:
    print(run(_timing.begin(__doc__, 9, "numpy", "scipy", "librosa").rounds), flush=True)


if __name__ == "__main__":
    main()
