"""Audio files: wav and flac at random access, any container in blocks, wav written whole.

Audio is (nb_samples, nb_channels), float32 in [-1, 1) unless a file holds more.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import DTypeLike, NDArray

from rnnsep.running import files
from rnnsep.running.errors import UserError

BLOCK = 1 << 16  # samples read or written at a time
FRAMES = 64  # of a codec, about 1024 samples each, decoded at a time

_WIDTHS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}  # bits
_UNKNOWN = 0xFFFFFF00  # data sizes from here on stand for "until the end" in streamed wav files


class AudioFile:
    """A wav or flac file that reads like an array of shape (nb_samples, nb_channels).

    `audio[start:stop]` and `np.asarray(audio)` give float32. The file is opened when first needed, so that
    an object is cheap to make and can go to another process. Raises `UserError`, naming the file, where it is
    empty, truncated, no audio, or holds NaN or infinity.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._opened: soundfile.SoundFile | None = None

    @property
    def _file(self) -> soundfile.SoundFile:
        if self._opened is None:
            self._opened = _open(self.path)
        return self._opened

    @property
    def rate(self) -> int:
        """Sampling rate in Hz."""
        return int(self._file.samplerate)

    @property
    def nb_samples(self) -> int:
        return int(self._file.frames)

    @property
    def nb_channels(self) -> int:
        return int(self._file.channels)

    @property
    def shape(self) -> tuple[int, int]:
        return self.nb_samples, self.nb_channels

    @property
    def subtype(self) -> str:
        """How samples are stored: PCM_16, PCM_24, FLOAT, ..."""
        return str(self._file.subtype)

    def __len__(self) -> int:
        return self.nb_samples

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        """Samples `part`, of step 1, as float32 (nb, nb_channels)."""
        start, stop, step = part.indices(self.nb_samples)
        if step != 1:
            raise ValueError("audio is read forwards, with step 1")
        nb = max(stop - start, 0)
        try:
            self._file.seek(start)
            block: NDArray[np.float32] = self._file.read(nb, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise UserError(f"{self.path}: cannot be read from sample {start}: {_line(error)}") from None
        if len(block) != nb:
            end = start + len(block)
            raise UserError(f"{self.path}: truncated: ends at sample {end} of {self.nb_samples}; get it anew")
        if not np.isfinite(block).all():
            first = start + int(np.argmin(np.isfinite(block).all(axis=1)))
            raise UserError(f"{self.path}: NaN or infinity, first at sample {first}; mend or remove the song")
        return block

    def blocks(self, nb_samples: int = BLOCK) -> Iterator[NDArray[np.float32]]:
        """The whole file in blocks (nb, nb_channels) of at most `nb_samples`."""
        for start in range(0, self.nb_samples, nb_samples):
            yield self[start : start + nb_samples]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        audio = self[:]
        return audio if dtype is None else audio.astype(dtype, copy=False)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return type(self), (self.path,)


def write_wav(path: Path, blocks: Iterable[NDArray[Any]], rate: int, subtype: str = "PCM_16") -> None:
    """Write `blocks`, arrays (nb, nb_channels) of int16 or floats, to a wav file, whole or not at all.

    Floats are rounded to the nearest step of 2**(1 - bits) and clipped, so that what `AudioFile` reads from a
    file of the same `subtype` is written unchanged. `rate` is in Hz; `subtype` is PCM_16, PCM_24, PCM_32 or
    FLOAT. The bytes depend on nothing else. Raises ValueError for NaN, infinity, or no block at all, and
    `UserError` where the file system refuses.
    """
    iterator = iter(blocks)
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"{path}: no audio to write")
    try:
        with files.whole(path) as temporary:
            with soundfile.SoundFile(temporary, "w", rate, first.shape[1], subtype, format="WAV") as file:
                for block in chain([first], iterator):
                    file.write(_stored(block, subtype))
            if subtype == "FLOAT":
                _remove_date(temporary)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    except soundfile.SoundFileError as error:
        raise UserError(f"{path}: cannot be written: {_line(error)} Is the disk full?") from None


def decode(path: Path, stream: int = 0) -> tuple[int, Iterator[NDArray[np.float32]]]:
    """Rate in Hz of an audio stream of any container that PyAV reads, and its blocks (nb, nb_channels).

    The streams of a `.stem.mp4` are mixture, drums, bass, other, vocals. Raises `UserError`, naming the file,
    where it cannot be opened, has no such audio stream, or is damaged further on.
    """
    lengths = stream_lengths(path)
    if stream >= len(lengths):
        raise UserError(f"{path}: has no audio stream {stream}")
    return lengths[stream][1], _decoded(path, stream)


def stream_lengths(path: Path) -> list[tuple[int, int]]:
    """Samples, as far as the container tells, and rate in Hz of each of its audio streams. Raises as `decode`."""
    with _audio_streams(path) as (_, streams):
        rates = [int(stream.codec_context.sample_rate) for stream in streams]
        seconds = [float((stream.duration or 0) * (stream.time_base or 0)) for stream in streams]
    return [(round(duration * rate), rate) for duration, rate in zip(seconds, rates, strict=True)]


def _decoded(path: Path, stream: int) -> Iterator[NDArray[np.float32]]:
    with _audio_streams(path) as (container, streams):
        try:
            frames = _frames(container.decode(streams[stream]))
            while part := list(islice(frames, FRAMES)):
                block = np.concatenate(part)
                if not np.isfinite(block).all():
                    raise UserError(f"{path}: holds NaN or infinity; mend or remove it")
                yield block
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{path}: damaged: {_line(error)}") from None


def _frames(decoded: Iterator[Any]) -> Iterator[NDArray[np.float32]]:
    # Changes how samples are stored, not their rate. Interleaved, since PyAV crashes on planes beyond the eighth.
    resampler = av.AudioResampler(format="flt")
    for frame in decoded:
        for part in resampler.resample(frame):
            # (1, nb * nb_channels) to (nb, nb_channels)
            yield np.asarray(part.to_ndarray(), np.float32).reshape(part.samples, -1)


@contextmanager
def _audio_streams(path: Path) -> Iterator[tuple[Any, list[Any]]]:
    """A container, opened for the length of the block, and its audio streams."""
    try:
        # The bare name could be taken for an address of another protocol of ffmpeg's.
        container = av.open(f"file:{path}", metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        known = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)
        raise UserError(f"{path}: {'cannot be opened' if known else 'is not audio'}: {_line(error)}") from None
    with container:
        found = list(container.streams.audio)
        for number, stream in enumerate(found):
            if stream.codec_context is None or not stream.codec_context.sample_rate:
                raise UserError(f"{path}: audio stream {number} is of an unknown kind")
        yield container, found


def _open(path: Path) -> soundfile.SoundFile:
    try:
        with open(path, "rb"):
            pass  # the system's own reason is clearer than libsndfile's
        file = soundfile.SoundFile(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be opened: {error.strerror}") from None
    except (soundfile.SoundFileError, TypeError) as error:
        empty = path.stat().st_size == 0
        raise UserError(f"{path}: {'empty file' if empty else f'is not audio: {_line(error)}'}") from None
    declared = re.search(r"^data\s*: (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if declared and int(declared[2]) < int(declared[1]) < _UNKNOWN:
        file.close()
        raise UserError(f"{path}: truncated: {declared[2]} of {declared[1]} bytes of audio; get it anew")
    if file.frames == 0:
        file.close()
        raise UserError(f"{path}: empty: holds no samples")
    try:
        file.seek(file.frames - 1)  # a flac file's header may promise more than there is
    except soundfile.SoundFileError:
        file.close()
        raise UserError(
            f"{path}: truncated: does not hold the {file.frames} samples of its header; get it anew"
        ) from None
    return file


def _stored(block: NDArray[Any], subtype: str) -> NDArray[Any]:
    if block.dtype == np.int16 and subtype == "PCM_16":
        return np.ascontiguousarray(block)
    audio = block / np.float32(32768) if block.dtype == np.int16 else block
    if not np.isfinite(audio).all():
        raise ValueError("NaN or infinity cannot be written as audio")
    if subtype == "FLOAT":
        return np.ascontiguousarray(audio, dtype=np.float32)
    bits = _WIDTHS[subtype]
    full = 2.0 ** (bits - 1)
    steps = np.clip(np.rint(audio.astype(np.float64) * full), -full, full - 1)
    if bits == 16:
        return steps.astype(np.int16)
    return steps.astype(np.int32) << (32 - bits)  # libsndfile keeps the upper bits


def _remove_date(path: Path) -> None:
    """Put zero for the time of writing that libsndfile notes in the PEAK chunk of a float wav."""
    with open(path, "rb+") as file:
        chunk = file.read(4096).find(b"PEAK")
        if chunk >= 0:
            file.seek(chunk + 12)
            file.write(bytes(4))


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
