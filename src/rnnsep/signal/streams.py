"""Audio streams: samples that are read in slices, and adaptors between them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AGAIN, INTEGERS, AudioFile, Stream, TruncatedError
from rnnsep.signal.ogg import is_single
from rnnsep.signal.wav import has_parts

# files in a folder that are taken for songs; a file that is given by name may have any extension
EXTENSIONS = {
    ".3gp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".avi", ".caf", ".dts", ".eac3", ".flac",
    ".flv", ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpc", ".mpeg", ".mpg", ".mts",
    ".oga", ".ogg", ".ogv", ".opus", ".rf64", ".ts", ".tta", ".vob", ".w64", ".wav", ".webm", ".wma", ".wmv", ".wv",
}  # fmt: skip

# how files begin that libsndfile may read; ffmpeg reads RIFX, which is big-endian, as noise
DIRECT = frozenset([b"RIFF", b"RIFX", b"RF64", b"BW64", b"fLaC", b"FORM", b"riff", b"caff", b".snd"])
SAMPLES = INTEGERS | {"FLOAT", "DOUBLE", "ULAW", "ALAW"}  # formats that are read at random access


class Audio(Protocol):
    """Samples (nb_samples, nb_channels) that are read in slices: an array, a file, or an adaptor of another stream."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: slice, /) -> NDArray[Any]: ...


def with_channels(x: NDArray[Any], nb_channels: int) -> NDArray[Any]:
    """Samples or spectra (…, channels) with `nb_channels` on the last axis.

    If the number differs, each channel is the mean of the given ones: stereo becomes mono; a song with one channel or
    more than two becomes the same signal left and right.
    """
    given = x.shape[-1]
    if given == nb_channels:
        return x
    mean = sum(x[..., channel] for channel in range(given)) / given
    return np.repeat(np.asarray(mean, x.dtype)[..., None], nb_channels, axis=-1)


class Adapted:
    """`audio` times `gain`, with `nb_channels` channels (see `with_channels`)."""

    def __init__(self, audio: Audio, nb_channels: int, gain: float = 1):
        self.audio, self.gain, self.shape = audio, np.float32(gain), (audio.shape[0], nb_channels)

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]:
        return np.asarray(self.gain * with_channels(self.audio[key], self.shape[1]))


class Decoded(Stream):
    """The first audio stream of any container, (nb_samples, nb_channels), for slices that move forwards.

    It is decoded once to be measured and once to be read; no more than a slice is held in memory. A slice that begins
    before the previous one restarts the decoder. `warning` is one line about damage, empty if there is none.
    """

    subtype = "FLOAT"  # of a file that keeps every sample

    def __init__(self, path: Path, rate: int, shape: tuple[int, int], warning: str = ""):
        self.path, self.rate, self.shape, self.warning = path, rate, shape, warning
        self._blocks: Iterator[NDArray[np.float32]] | None = None
        self._held = np.zeros((0, shape[1]), np.float32)
        self._begin = 0  # of what is held

    @classmethod
    def measured(cls, path: Path) -> "Decoded":
        """Raises `UserError` if the file holds no audio that can be decoded."""
        warnings: list[str] = []
        rate, blocks = _forwards(path, warnings.append)
        nb_samples = nb_channels = 0
        for block in blocks:
            nb_samples, nb_channels = nb_samples + len(block), block.shape[1]
        if nb_samples == 0:
            raise UserError(f"{path}: empty: holds no samples")
        return cls(path, rate, (nb_samples, nb_channels), "; ".join(warnings))

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        return _forwards(self.path, lambda _: None)[1]

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        """Samples `part` as float32 (nb, nb_channels)."""
        start, stop, _ = part.indices(self.shape[0])
        if stop <= start:
            return np.zeros((0, self.shape[1]), np.float32)
        if self._blocks is None or start < self._begin:
            self.close()
            self._blocks = self.blocks()
        parts, end = [self._held[start - self._begin :]], self._begin + len(self._held)
        while end < stop:
            block = next(self._blocks, None)
            if block is None or block.shape[1] != self.shape[1]:
                raise UserError(f"{self.path}: was changed while it was read; run again")
            if end + len(block) > start:
                parts.append(block[max(0, start - end) :])
            end += len(block)
        self._held, self._begin = np.concatenate(parts), start
        return self._held[: stop - start]

    def close(self) -> None:
        self._blocks, self._held, self._begin = None, self._held[:0], 0

    def __copy__(self) -> "Decoded":
        return Decoded(self.path, self.rate, self.shape, self.warning)


def open_audio(path: Path) -> Stream:
    """The audio of any file as a stream.

    Whole files of integers or floats (WAV, FLAC, AIFF and the like) are read at random access. Anything else is decoded
    as ffmpeg does it: damaged and truncated files as far as they can be, with a `warning`. Raises `UserError` if
    nothing can be decoded.
    """
    try:
        with open(path, "rb") as file:
            direct = file.read(4) in DIRECT
    except OSError as error:
        raise UserError(f"{path}: cannot be opened: {error.strerror}") from None
    if not direct:
        return Decoded.measured(path)
    audio = AudioFile(path)
    try:
        if audio.subtype in SAMPLES:
            return audio
        problem: UserError | None = None
    except UserError as error:
        problem = error
    try:
        decoded = Decoded.measured(path)
    except UserError:
        if problem:
            raise problem from None
        return audio  # in a codec that only libsndfile knows
    if isinstance(problem, TruncatedError):
        decoded.warning = decoded.warning or str(problem).removesuffix(f"; {AGAIN}")
    elif problem and has_parts(path):
        decoded.warning = f"{path}: is several sound files in one, of which only the first is read; split it"
    return decoded


def _forwards(path: Path, report: Callable[[str], object]) -> tuple[int, Iterator[NDArray[np.float32]]]:
    """See `decode`. libsndfile decodes Ogg, since ffmpeg loses the end of short Vorbis files."""
    if is_single(path):
        audio = AudioFile(path)
        with suppress(UserError):
            return audio.rate, audio.blocks()
    from rnnsep.signal.decoding import decode  # its import takes 0.1 s, and most files need no decoder

    return decode(path, report=report)
