"""Compare statistics of the stems of two corpora, such as real and synthetic songs.

python -m experiments.realism data/corpus OTHER/corpus

Prints the median over training songs and half the distance between the 10 % and 90 % quantiles, of each source.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from rnnsep.signal.audio import AudioFile
from rnnsep.signal.corpus import MIXTURE, Corpus

EDGES = np.array([0.0, *(44.2 * 2.0 ** np.arange(9)), 22050.0])  # Hz; octaves around 31 Hz to 16 kHz


def _db(ratio: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 10.0 * np.log10(np.asarray(ratio) + 1e-12)


def statistics(x: NDArray[np.float64], mixture: NDArray[np.float64], rate: int) -> dict[str, float]:
    """Statistics of a stem `x`, shape (nb_samples, 2), in `mixture`; dB where nothing else is said.

    Of each octave: its share of the energy, the deviation of its level over time, and side relative to middle.
    """
    f, _, spectra = signal.stft(x.T, rate, nperseg=2048)
    power = (np.abs(spectra) ** 2).mean(axis=0)  # (bins, frames)
    frames = power.sum(axis=0)
    active = frames > 1e-4 * frames.max()
    total = power.sum(axis=1) + 1e-20
    sides = np.abs(np.stack([spectra[0] + spectra[1], spectra[0] - spectra[1]])) ** 2
    edges = np.searchsorted(f, EDGES[:-1])
    shares = _db(np.add.reduceat(total, edges) / total.sum())
    spreads = _db(np.add.reduceat(power, edges) + 1e-9 * frames.mean())[:, active].std(axis=1)
    in_middle, in_side = np.add.reduceat(sides.sum(axis=2), edges, axis=1)
    widths = _db(in_side / (in_middle + 1e-20))
    level = np.sqrt((x**2).mean())
    flat = power[:, active] + 1e-9 * power.max()
    flux = np.maximum(np.diff(np.log10(flat + 1e-4 * flat.mean()), axis=1), 0.0).mean(axis=0) if active.sum() > 1 else 0
    middle, side = x.mean(axis=1), (x[:, 0] - x[:, 1]) / 2.0
    variation, correlation = _low(middle, rate)
    decay, brightness = _onsets(middle, rate)
    found = {
        "level in mixture": float(_db((x**2).sum() / (mixture**2).sum())),
        "crest factor": float(20.0 * np.log10(np.abs(x).max() / (level + 1e-12))),
        "side / middle": float(max(_db((side**2).sum() / ((middle**2).sum() + 1e-12)), -40.0)),
        "active frames, %": float(100.0 * active.mean()),
        "flatness": float((_db(flat).mean(axis=0) - _db(flat.mean(axis=0))).mean()),
        "flux x 100": float(100.0 * np.mean(flux)),
        "level over time, spread": float(_db(frames[active]).std()),
        "below 100 Hz, variation %": 100.0 * variation,
        "below 100 Hz, after 0.1 s %": 100.0 * correlation,
        "below 125 Hz, after 0.2 s": decay,
        "300 Hz to 1 kHz, at onset": brightness,
        "above 4 kHz": float(_db(total[f > 4000.0].sum() / total.sum())),
    }
    names = [f"{31.25 * 2**i:.0f} Hz" for i in range(len(shares))]
    for what, values in (("", np.maximum(shares, -80.0)), (", spread", spreads), (", side", np.maximum(widths, -60.0))):
        found |= {name + what: float(value) for name, value in zip(names, values, strict=True)}
    return found


def _power(x: NDArray[np.float64], rate: int, low: float, high: float, size: int) -> NDArray[np.float64]:
    """The power of a band in each `size` samples, smoothed over two of them."""
    band = signal.sosfilt(signal.butter(4, [low, high], "bandpass", fs=rate, output="sos"), x)
    power = (band[: len(band) // size * size].reshape(-1, size) ** 2).mean(axis=1) + 1e-12
    return np.asarray(signal.lfilter([0.5, 0.5], [1.0], power))


def _low(x: NDArray[np.float64], rate: int) -> tuple[float, float]:
    """Of the RMS from 30 to 100 Hz in 10 ms: deviation over mean, and correlation with itself 0.1 s later.

    A kick is short, so both tell it from a bass, which is steady.
    """
    envelope = np.sqrt(_power(x, rate, 30.0, 100.0, rate // 100))
    around = envelope - envelope.mean()
    return envelope.std() / envelope.mean(), float((around[10:] * around[:-10]).sum() / (around**2).sum())


def _onsets(x: NDArray[np.float64], rate: int) -> tuple[float, float]:
    """Change of the level below 125 Hz in 0.2 s after an onset, and level from 300 Hz to 1 kHz relative to it, in dB.

    An onset is a peak after a rise by 9 dB in 20 ms. Medians over onsets; NaN without three of them. Kicks are short
    and bright, basses ring on.
    """
    low, middle = (_db(_power(x, rate, *band, rate // 200)) for band in ((30.0, 125.0), (300.0, 1000.0)))
    rises = signal.find_peaks(low[4:] - low[:-4], height=9.0, distance=30)[0]
    peaks = [rise + int(np.argmax(low[rise : rise + 20])) for rise in rises if rise + 60 < len(low)]
    loud = np.quantile(low, 0.98) - 12.0
    peaks = [peak for peak in peaks if low[peak] > loud]
    if len(peaks) < 3:
        return np.nan, np.nan
    bright = [middle[max(0, peak - 8) : peak + 4].max() - low[peak] for peak in peaks]
    return float(np.median([low[peak + 40] - low[peak] for peak in peaks])), float(np.median(bright))


def table(root: Path, most: int = 100) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Source -> statistic -> its values in the training songs that have the source."""
    corpus = Corpus.read(root)
    found: dict[str, dict[str, list[float]]] = {source: {} for source in corpus.sources}
    for song in [song for song in corpus.songs if song.subset == "train"][:most]:
        names = (MIXTURE, *corpus.sources)
        files = [AudioFile(root / song.subset / song.name / f"{name}.wav") for name in names]
        mixture, *stems = (file[:].astype(np.float64) for file in files)
        for source, x in zip(corpus.sources, stems, strict=True):
            if (x**2).sum() > 1e-5 * (mixture**2).sum():
                for name, value in statistics(x, mixture, song.rate).items():
                    found[source].setdefault(name, []).append(value)
    return {source: {name: np.array(values) for name, values in one.items()} for source, one in found.items()}


if __name__ == "__main__":
    tables = [table(Path(root)) for root in sys.argv[1:]]
    for source in tables[0]:
        print(f"\n{source}: {', '.join(str(len(next(iter(one[source].values())))) for one in tables)} songs")
        for name in tables[0][source]:
            cells = [one[source][name] for one in tables]
            spreads = [np.diff(np.nanquantile(cell, [0.1, 0.9]))[0] / 2.0 for cell in cells]
            print(
                f"{name:27}"
                + "".join(f"{np.nanmedian(c):9.1f} +-{s:5.1f}" for c, s in zip(cells, spreads, strict=True))
                + (f"{np.nanmedian(cells[-1]) - np.nanmedian(cells[0]):+9.1f}" if len(cells) > 1 else "")
            )
