"""MIR-1K [1]_: clips of karaoke, accompaniment on the left channel, voice on the right, 16 kHz.

The clips are either in two folders `train` and `test`, or as published in `Wavfile`, of which those of two singers are
for training [2]_. Stems are the halved channels, the mixture is their sum, the mean of the channels: exact in 24 bits,
never clipped. With unit-norm mixing both are scaled to the same norm before they are summed [2]_.

.. [1] C.-L. Hsu, J.-S. R. Jang, "On the improvement of singing voice separation for monaural recordings using the
   MIR-1K dataset", IEEE TASLP 18(2), 2010.
.. [2] P.-S. Huang et al., "Singing-voice separation from monaural recordings using deep recurrent neural networks",
   ISMIR 2014; the four clips for validation are those of the authors' published code.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from rnnsep.corpora.original import Recording, Split, Stem, Subset
from rnnsep.running.errors import UserError
from rnnsep.running.listing import listed
from rnnsep.signal.writing import write_wav

SINGERS = ("abjones", "amy")  # of the training subset
VALIDATION = ("abjones_5_08", "abjones_5_09", "amy_9_08", "amy_9_09")
GAINS = {"mixture": (0.5, 0.5), "vocals": (0.0, 0.5), "accompaniment": (0.5, 0.0)}  # of the left and right channel
LOSSLESS = (".wav", ".flac")
NORM = 8.0  # of a source with unit-norm mixing, in place of 1: an RMS of 0.02 over ten seconds, safe in 16 bits

Mixing = Literal["published", "unit-norm"]


@dataclass(frozen=True)
class BalancedClip(Recording):
    """A clip whose voice and accompaniment have the same L2 norm, so that they are mixed at 0 dB."""

    def write(self, folder: Path, names: Collection[str]) -> None:
        """Write float files, since a peak may exceed full scale. A silent source stays silent."""
        audio, rate = {}, 0
        for name in ("vocals", "accompaniment"):
            rate, _, blocks = self.stems[name].read()
            samples = np.concatenate(list(blocks)).astype(np.float64)
            norm = np.sqrt(np.sum(samples**2))
            audio[name] = (samples * (NORM / norm if norm else 1.0)).astype(np.float32)
        audio["mixture"] = audio["vocals"] + audio["accompaniment"]
        for name in names:
            write_wav(folder / f"{name}.wav", [audio[name]], rate, "FLOAT")


def recordings(path: Path, mixing: Mixing = "published") -> list[Recording]:
    """The clips under `path`, mixed as `mixing` says. Raises `UserError` if there are none."""
    places = (path / "Wavfile", path / "MIR-1K" / "Wavfile", path)  # any of which may be the given folder
    published = next((place for place in places if _clips(place)), None)
    if published is not None:
        clips = [(_subset(clip), clip) for clip in _clips(published)]
    else:
        clips = [(subset, clip) for subset in ("train", "test") for clip in _clips(path / subset)]
    if not clips:
        raise UserError(f"corpus.path: {path} holds no clips of MIR-1K, in Wavfile/ or in train/ and test/")
    kind = Recording if mixing == "published" else BalancedClip
    return [_recording(kind, subset, clip) for subset, clip in clips]


def _clips(folder: Path) -> list[Path]:
    return [clip for clip in listed(folder) if clip.suffix.lower() in LOSSLESS]


def _subset(clip: Path) -> Subset:
    return "train" if clip.stem.split("_")[0] in SINGERS else "test"


def _recording(kind: type[Recording], subset: Subset, clip: Path) -> Recording:
    split: Split = "valid" if clip.stem in VALIDATION else subset
    return kind(clip.stem, subset, split, {name: Stem(clip, gains=gains) for name, gains in GAINS.items()})
