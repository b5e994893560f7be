"""Reading WAV and FLAC files at random access.

Audio is float32 (nb_samples, nb_channels), in [-1, 1) unless a file exceeds full scale.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import soundfile
from numpy.typing import DTypeLike, NDArray

from rnnsep.running.errors import UserError
from rnnsep.signal.wav import endless

BLOCK = 1 << 16  # samples read or written at a time
FULL_SCALE = 2.0**-15  # of a 16-bit sample
LONGEST = 1 << 62  # samples; libsndfile's number for a FLAC file from a pipe is larger
AGAIN = "download or copy it again"
UNKNOWN = 0x7FFFF000  # declared sizes from here on may mean "until the end of the file", unless they have 64 bits
# libsndfile's remark on a chunk or a whole file (RF64, W64) that is longer than the file
SIZES = re.compile(r"^ *(?:data|SSND|Data Size|(?P<wide>Riff size|riff)) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
INTEGERS = frozenset(["PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32"])


class TruncatedError(UserError):
    """A file is shorter than its header says."""


class Stream:
    """Audio of a file, which is read in slices `stream[start:stop]` (nb, nb_channels) of step 1.

    `rate` is in Hz, `subtype` the format of the samples, such as PCM_16, PCM_24 or FLOAT, `warning` one line about
    damage, empty if there is none.
    """

    path: Path
    rate: int
    shape: tuple[int, int]
    subtype: str
    warning: str = ""

    @property
    def nb_samples(self) -> int:
        return self.shape[0]

    @property
    def nb_channels(self) -> int:
        return self.shape[1]

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        raise NotImplementedError

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The whole stream in blocks (nb, nb_channels)."""
        for start in range(0, self.nb_samples, BLOCK):
            yield self[start : start + BLOCK]

    def close(self) -> None:
        """Close the file, which opens again for the next slice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AudioFile(Stream):
    """A WAV or FLAC file that reads like an array of shape (nb_samples, nb_channels).

    `audio[start:stop]` and `np.asarray(audio)` are float32. The file is opened when first needed, so that
    objects are cheap and can be sent to another process. Raises `UserError`, naming the file, if it is empty,
    truncated, not audio, or holds NaN or infinity.
    """

    def __init__(self, path: Path):
        self.path = Path(path)

    @cached_property
    def _file(self) -> soundfile.SoundFile:
        return _open(self.path)

    @property
    def rate(self) -> int:  # type: ignore[override]
        return int(self._file.samplerate)

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        return int(self._file.frames), int(self._file.channels)

    @property
    def subtype(self) -> str:  # type: ignore[override]
        return str(self._file.subtype)

    def __len__(self) -> int:
        return self.nb_samples

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        start, stop, step = part.indices(self.nb_samples)
        if step != 1:
            raise ValueError("audio is read forwards, with step 1")
        nb = max(stop - start, 0)
        try:
            if self._file.tell() != start:  # seeking in Ogg is slow, and in Opus not exact
                self._file.seek(start)
            block = self._read(nb)
        except soundfile.SoundFileError as error:
            raise UserError(f"{self.path}: cannot be read from sample {start}: {reason(error)}") from None
        if len(block) != nb:
            end = start + len(block)
            raise UserError(f"{self.path}: truncated: ends at sample {end} of {self.nb_samples}; {AGAIN}")
        if self.subtype not in INTEGERS and not np.isfinite(block).all():
            first = start + int(np.argmin(np.isfinite(block).all(axis=1)))
            raise UserError(f"{self.path}: NaN or infinity, first at sample {first}; fix or remove the song")
        return block

    def _read(self, nb_samples: int) -> NDArray[Any]:
        if self.subtype != "PCM_16":
            block: NDArray[Any] = self._file.read(nb_samples, dtype="float32", always_2d=True)
            return block
        block = self._file.read(nb_samples, dtype="int16", always_2d=True).astype(np.float32)
        block *= FULL_SCALE  # the same samples as from libsndfile, whose conversion takes four times as long
        return block

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        audio = self[:]
        return audio if dtype is None else audio.astype(dtype, copy=False)

    def close(self) -> None:
        if "_file" in vars(self):
            vars(self).pop("_file").close()

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return type(self), (self.path,)


def _open(path: Path) -> soundfile.SoundFile:
    try:
        file = soundfile.SoundFile(endless(path) or path)
    except OSError as error:
        raise UserError(f"{path}: cannot be opened: {error.strerror}") from None
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        if path.stat().st_size == 0:
            raise UserError(f"{path}: empty file") from None
        if "malformed" in reason(error):
            raise TruncatedError(f"{path}: its header does not fit the file, which may be truncated; {AGAIN}") from None
        raise UserError(f"{path}: is not audio: {reason(error)}") from None
    try:
        _check(path, file)
    except UserError:
        file.close()
        raise
    return file


def _check(path: Path, file: soundfile.SoundFile) -> None:
    """Raise `UserError` unless the audio that the header of an open file declares is there."""
    if file.frames == 0:
        raise UserError(f"{path}: empty: holds no samples")
    if file.frames > LONGEST:
        raise UserError(f"{path}: does not say how many samples it holds")
    if not file.seekable():
        raise UserError(f"{path}: is not at random access")
    for remark in SIZES.finditer(file.extra_info):
        declared, held = int(remark[2]), int(remark[3])
        header = path.stat().st_size - held  # some recorders count it too
        if header < declared - held and (remark["wide"] or declared < UNKNOWN):
            lost = file.frames / file.samplerate * (declared - held) / held
            raise TruncatedError(f"{path}: damaged or truncated: {lost:.2f} s of audio are lost; {AGAIN}")
    if file.format != "FLAC":  # whose header may declare more samples than there are
        return
    try:
        file.seek(file.frames - 1)
    except soundfile.SoundFileError:
        raise TruncatedError(f"{path}: truncated: has not all {file.frames} samples of its header; {AGAIN}") from None


def reason(error: Exception) -> str:
    """The reason of an error without line breaks."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())
