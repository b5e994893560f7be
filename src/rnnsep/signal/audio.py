"""Reading audio files: WAV and FLAC at random access, any container in blocks.

Audio is float32 (nb_samples, nb_channels), in [-1, 1) unless a file exceeds full scale.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import DTypeLike, NDArray

from rnnsep.running.errors import UserError

BLOCK = 1 << 16  # samples read or written at a time
OPEN_OPTIONS = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}  # gone since PyAV 19
FRAMES = 64  # of a codec, about 1024 samples each, decoded at a time

_UNKNOWN = 0xFFFFFF00  # data sizes from here on mean "until the end" in streamed WAV files


class AudioFile:
    """A WAV or FLAC file that reads like an array of shape (nb_samples, nb_channels).

    `audio[start:stop]` and `np.asarray(audio)` are float32. The file is opened when first needed, so that objects are
    cheap and can be sent to another process. Raises `UserError`, naming the file, if it is empty, truncated, not audio,
    or holds NaN or infinity.
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
        """The sample format: PCM_16, PCM_24, FLOAT, …"""
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
            raise UserError(
                f"{self.path}: truncated: ends at sample {end} of {self.nb_samples}; download or copy it again"
            )
        if not np.isfinite(block).all():
            first = start + int(np.argmin(np.isfinite(block).all(axis=1)))
            raise UserError(f"{self.path}: NaN or infinity, first at sample {first}; fix or remove the song")
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


def decode(path: Path, stream: int = 0) -> tuple[int, Iterator[NDArray[np.float32]]]:
    """The rate in Hz and the blocks (nb, nb_channels) of an audio stream of any container that PyAV reads.

    The streams of a `.stem.mp4` are mixture, drums, bass, other, vocals. Raises `UserError`, naming the file, if it
    cannot be opened, has no such audio stream, or is damaged.
    """
    lengths = stream_lengths(path)
    if stream >= len(lengths):
        raise UserError(f"{path}: has no audio stream {stream}")
    return lengths[stream][1], _decoded(path, stream)


def stream_lengths(path: Path) -> list[tuple[int, int]]:
    """Number of samples (as the container declares it) and rate in Hz of each audio stream. Raises as `decode`."""
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
                    raise UserError(f"{path}: holds NaN or infinity; fix or remove it")
                yield block
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{path}: damaged: {_line(error)}") from None


def _frames(decoded: Iterator[Any]) -> Iterator[NDArray[np.float32]]:
    # changes the sample format, not the rate; interleaved, since PyAV crashes on planes beyond the eighth
    resampler = av.AudioResampler(format="flt")
    for frame in decoded:
        for part in resampler.resample(frame):
            # (1, nb * nb_channels) to (nb, nb_channels)
            yield np.asarray(part.to_ndarray(), np.float32).reshape(part.samples, -1)


@contextmanager
def _audio_streams(path: Path) -> Iterator[tuple[Any, list[Any]]]:
    """An open container and its audio streams."""
    try:
        # without file:, ffmpeg could take the name for another protocol
        container = av.open(f"file:{path}", **OPEN_OPTIONS)
    except (av.FFmpegError, OSError) as error:
        known = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)
        raise UserError(f"{path}: {'cannot be opened' if known else 'is not audio'}: {_line(error)}") from None
    with container:
        found = list(container.streams.audio)
        for number, stream in enumerate(found):
            if stream.codec_context is None or not stream.codec_context.sample_rate:
                raise UserError(f"{path}: audio stream {number} has an unknown codec")
        yield container, found


def _open(path: Path) -> soundfile.SoundFile:
    try:
        with open(path, "rb"):
            pass  # for the system's reason, which is clearer than libsndfile's
        file = soundfile.SoundFile(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be opened: {error.strerror}") from None
    except (soundfile.SoundFileError, TypeError) as error:
        empty = path.stat().st_size == 0
        raise UserError(f"{path}: {'empty file' if empty else f'is not audio: {_line(error)}'}") from None
    declared = re.search(r"^data\s*: (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if declared and int(declared[2]) < int(declared[1]) < _UNKNOWN:
        file.close()
        raise UserError(f"{path}: truncated: {declared[2]} of {declared[1]} bytes of audio; download or copy it again")
    if file.frames == 0:
        file.close()
        raise UserError(f"{path}: empty: holds no samples")
    try:
        file.seek(file.frames - 1)  # a FLAC header may declare more samples than there are
    except soundfile.SoundFileError:
        file.close()
        raise UserError(
            f"{path}: truncated: does not hold the {file.frames} samples of its header; download or copy it again"
        ) from None
    return file


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
