"""Writing audio files in blocks, atomically."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from rnnsep.running import files
from rnnsep.running.errors import UserError

BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32}
LARGEST_WAV = 2**32 - 2**16  # bytes of samples; RF64 holds more


class AudioSink:
    """An audio file to write blocks to (see `audio_sink`)."""

    def __init__(self, file: soundfile.SoundFile, subtype: str):
        self.file, self.subtype = file, subtype

    def write(self, block: NDArray[Any]) -> None:
        """Append a block (nb, nb_channels).

        Floats are rounded to the nearest step of 2**(1 - bits) and clipped; int16 is what a 16-bit file holds. Raises
        ValueError for NaN or infinity.
        """
        if block.dtype == np.int16 and self.subtype != "PCM_16":
            block = block / np.float32(32768)
        if block.dtype.kind == "f":
            if not np.isfinite(block).all():
                raise ValueError("NaN or infinity cannot be written as audio")
            block = block.astype(np.float32) if self.subtype == "FLOAT" else steps(block, BITS[self.subtype])
        if block.dtype == np.int32:
            bits = BITS[self.subtype]
            block = block.astype(np.int16) if bits == 16 else block << (32 - bits)  # libsndfile keeps the upper bits
        self.file.write(np.ascontiguousarray(block))


@contextmanager
def audio_sink(
    path: Path,
    rate: int,
    nb_channels: int,
    subtype: str = "PCM_16",
    kind: str = "WAV",
    comment: str | None = None,
    nb_samples: int = 0,
) -> Iterator[AudioSink]:
    """A WAV or FLAC file (`kind`) that appears at `path` atomically when the block ends.

    `rate` is in Hz; `subtype` is PCM_16, PCM_24, PCM_32 or FLOAT. A WAV file of `nb_samples` samples per channel that
    exceeds the format's limit becomes RF64. The bytes depend on nothing else.
    """
    if kind == "WAV" and nb_samples * nb_channels * BITS[subtype] // 8 > LARGEST_WAV:
        kind = "RF64"
    with files.whole(path) as temporary:
        with soundfile.SoundFile(temporary, "w", rate, nb_channels, subtype, format=kind) as file:
            if comment is not None:
                file.comment = comment
            yield AudioSink(file, subtype)
        if subtype == "FLOAT":
            _remove_date(temporary)


def write_wav(
    path: Path, blocks: Iterable[NDArray[Any]], rate: int, subtype: str = "PCM_16", nb_samples: int = 0
) -> None:
    """Write `blocks` (nb, nb_channels) of int16 or floats to a WAV file atomically (see `audio_sink`).

    What `AudioFile` reads from a file of the same `subtype` is written unchanged. Raises ValueError for NaN, infinity
    or no block at all, and `UserError` if the file cannot be written.
    """
    iterator = iter(blocks)
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"{path}: no audio to write")
    try:
        with audio_sink(path, rate, first.shape[1], subtype, nb_samples=nb_samples) as sink:
            sink.write(first)
            for block in iterator:
                sink.write(block)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    except soundfile.SoundFileError as error:
        raise UserError(f"{path}: cannot be written: {' '.join(str(error).split())} Is the disk full?") from None


def steps(audio: NDArray[Any], bits: int) -> NDArray[np.int32]:
    """`audio` (full scale 1.0) rounded to int32 steps of 2**(1 - bits) and clipped."""
    full = 2.0 ** (bits - 1)
    wide = audio if bits <= 24 else audio.astype(np.float64)  # float32 holds 24 bits exactly
    return np.clip(np.rint(wide * wide.dtype.type(full)), -full, full - 1).astype(np.int32)


def _remove_date(path: Path) -> None:
    """Zero the time of writing that libsndfile stores in the PEAK chunk of a float WAV file."""
    with open(path, "rb+") as file:
        chunk = file.read(4096).find(b"PEAK")
        if chunk >= 0:
            file.seek(chunk + 12)
            file.write(bytes(4))
