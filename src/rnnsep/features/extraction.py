"""STFTs of the training songs, in feature files (see `storage`)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from rnnsep.features.storage import INDEX, FeatureSong, file_of, write_array
from rnnsep.params import Range
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.workers import parallel_map
from rnnsep.signal.corpus import Corpus, Song
from rnnsep.signal.resampling import resampled
from rnnsep.signal.stft import StftParams, stft
from rnnsep.signal.streams import Adapted, Audio

FINEST = 50  # denominator of speeds, so that filters stay short
BLOCK = 1 << 17  # values of a spectrogram computed and written at a time


@dataclass(frozen=True, kw_only=True)
class FeatureParams:
    """Section `features` of params.yaml."""

    speeds: tuple[Annotated[float, Range(0.5, 2)], ...] | None = None  # extra playback speeds


def write_features(corpus: Path, folder: Path, stft: StftParams, features: FeatureParams = FeatureParams()) -> None:
    """Write the feature files of all training and validation songs of a corpus. Finished files are kept.

    Songs of the split train also get copies at each of the speeds, resampled like a tape that plays faster.
    """
    described = Corpus.read(corpus)
    factors = dict.fromkeys(Fraction(speed).limit_denominator(FINEST) for speed in features.speeds or ())
    copies = [Copy(song) for song in described.of("train")]
    copies += [Copy(song, speed) for speed in factors if speed != 1 for song in described.of_split("train")]
    parallel_map(partial(_write_copy, described, folder, stft), copies, "features")
    index = [asdict(FeatureSong(copy.name, copy.song.split, copy.nb_frames(stft))) for copy in copies]
    content = {"sources": list(described.sources), "stft": asdict(stft), "songs": index}
    files.write_json(folder / INDEX, content)


@dataclass(frozen=True)
class Copy:
    """A song played at `speed`."""

    song: Song
    speed: Fraction = Fraction(1)

    @property
    def name(self) -> str:
        return self.song.name if self.speed == 1 else f"x{float(self.speed):.3f}/{self.song.name}"

    def rates(self, params: StftParams) -> tuple[int, int]:
        """The rates between which the song is resampled; only their ratio matters."""
        return self.song.rate * self.speed.numerator, params.sample_rate * self.speed.denominator

    def nb_frames(self, params: StftParams) -> int:
        rate, new_rate = self.rates(params)
        return params.nb_frames(-(-self.song.nb_samples * new_rate // rate))


def _write_copy(corpus: Corpus, features: Path, params: StftParams, copy: Copy) -> None:
    path = file_of(features, copy.name)
    if not path.exists():
        shape = (len(corpus.sources), copy.nb_frames(params), params.nb_bins, params.nb_channels, 2)
        write_array(path, shape, _sources(corpus, params, copy))


def _sources(corpus: Corpus, params: StftParams, copy: Copy) -> Iterator[NDArray[np.float16]]:
    for source in corpus.sources:
        with corpus.stem(copy.song, source) as stem:
            audio = resampled(Adapted(stem, params.nb_channels), *copy.rates(params))
            yield from _spectra(audio, params, stem.path)


def _spectra(audio: Audio, params: StftParams, path: Path) -> Iterator[NDArray[np.float16]]:
    nb_frames = params.nb_frames(audio.shape[0])
    step = max(1, BLOCK // (params.nb_bins * params.nb_channels))
    for start in range(0, nb_frames, step):
        block = stft(audio, params, start, min(start + step, nb_frames))
        # complex (..., nb_channels) -> real and imaginary part (..., nb_channels, 2)
        parts = to_half(block.view(np.float32).reshape(*block.shape, 2))
        if np.isinf(parts).any():
            raise UserError(f"{path}: samples are far above full scale (1.0); scale the file down")
        yield parts


def to_half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """`values.astype(np.float16)`, without the 100 ns that NumPy takes for each value below 6e-5."""
    subnormal = np.abs(values) < 2.0**-14  # as float16 these are multiples of 2**-24
    with np.errstate(over="ignore"):  # infinity is checked for
        bits = np.where(subnormal, 0, values).astype(np.float16).view(np.uint16)
    bits |= np.rint(np.where(subnormal, np.abs(values) * 2.0**24, 0)).astype(np.uint16)
    return (bits | np.where(np.signbit(values), np.uint16(1 << 15), np.uint16(0))).view(np.float16)
