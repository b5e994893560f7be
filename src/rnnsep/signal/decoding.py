"""Decoding audio of any container in blocks, as ffmpeg does it.

Audio is float32 (nb_samples, nb_channels), in [-1, 1) unless a file exceeds full scale.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.running.progress import warn
from rnnsep.signal.audio import reason
from rnnsep.signal.lengths import declared_length, lacks_end
from rnnsep.signal.riff import data_chunk

OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)  # gone since PyAV 19
FRAMES = 64  # of a codec, about 1024 samples each, decoded at a time
SLACK = 0.1  # s by which the declared length may exceed the decoded one, for a codec's padding


def decode(
    path: Path, stream: int = 0, report: Callable[[str], object] = warn
) -> tuple[int, Iterator[NDArray[np.float32]]]:
    """The rate in Hz and the blocks (nb, nb_channels) of an audio stream of any container that PyAV reads.

    The streams of a `.stem.mp4` are mixture, drums, bass, other, vocals. As in ffmpeg, packets that cannot be decoded
    are skipped, and a stream that changes its rate or channels is converted to those that it begins with. After the
    last block `report` is called with one line about this, if there is anything to say. Raises `UserError`, naming the
    file, if it cannot be opened, has no such audio stream, or holds no audio that can be decoded.
    """
    lengths = stream_lengths(path)
    if stream >= len(lengths):
        raise UserError(f"{path}: has no audio stream {stream}")
    return lengths[stream][1], _decoded(path, stream, lengths[stream], report)


def stream_lengths(path: Path) -> list[tuple[int, int]]:
    """Number of samples (as the container declares it) and rate in Hz of each audio stream. Raises as `decode`."""
    with _audio_streams(path) as (_, streams):
        rates = [int(stream.codec_context.sample_rate) for stream in streams]
        seconds = [float((stream.duration or 0) * (stream.time_base or 0)) for stream in streams]
    return [(round(duration * rate), rate) for duration, rate in zip(seconds, rates, strict=True)]


def _decoded(
    path: Path, stream: int, declared: tuple[int, int], report: Callable[[str], object]
) -> Iterator[NDArray[np.float32]]:
    nb_samples, rate = declared
    found = 0
    length: float | None = None
    with _audio_streams(path) as (container, streams):
        decoding = _Decoding(rate)
        length = declared_length(path, container, streams[stream])
        frames = decoding.frames(container, streams[stream])
        try:
            while part := list(islice(frames, FRAMES)):
                block = np.concatenate(part)
                if not np.isfinite(block).all():
                    raise UserError(f"{path}: holds NaN or infinity; fix or remove it")
                found += len(block)
                yield block
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{path}: damaged: {reason(error)}") from None
    if found == 0 and decoding.faults:
        raise UserError(f"{path}: damaged: {reason(decoding.faults[0])}")
    exact, limit = length is not None, SLACK
    missing = max(0.0, (nb_samples / rate if length is None else length) - found / rate)
    data = data_chunk(path)
    if data is not None and data.is_truncated:
        missing, exact, limit = found / rate * (data.size / max(data.held, 1) - 1), True, 0.0
    remarks = []
    if lacks_end(path):
        remarks.append("truncated: its last page is missing, and with it an unknown part of the end")
    elif decoding.faults or (exact and missing > limit):
        bound = "" if exact and missing else "up to " if nb_samples else "at least "
        remarks.append(f"damaged or truncated: {bound}{max(missing, decoding.skipped):.2f} s of audio are lost")
    if decoding.changed:
        remarks.append(f"{decoding.changed}; all is converted to the format of the beginning")
    if remarks:
        report(f"{path}: {'; '.join(remarks)}")


class _Decoding:
    """Decodes one stream and records `faults`, the seconds `skipped`, and how the stream `changed` its format."""

    def __init__(self, rate: int):
        self.rate = rate
        self.faults: list[Exception] = []
        self.skipped = 0.0
        self.changed = ""

    def frames(self, container: Any, stream: Any) -> Iterator[NDArray[np.float32]]:
        """Interleaved samples (nb, nb_channels) of each frame, at `rate` and with the channels of the first frame."""
        resampler: Any = None
        first: Any = None
        form: tuple[Any, ...] = ()
        for frame in self._raw(container, stream):
            given = (frame.sample_rate, frame.layout.name, frame.format.name)
            if given != form:
                if resampler is not None:
                    yield from _interleaved(resampler.resample(None))
                    if given[:2] != form[:2]:
                        self.changed = f"changes from {form[0]} Hz {form[1]} to {given[0]} Hz {given[1]}"
                first, form = first or frame, given
                same = given[:2] == (self.rate, first.layout.name)
                # interleaved, since PyAV crashes on planes beyond the eighth
                resampler = av.AudioResampler("flt", None if same else first.layout, None if same else self.rate)
            yield from _interleaved(resampler.resample(frame))
        if resampler is not None:
            yield from _interleaved(resampler.resample(None))

    def _raw(self, container: Any, stream: Any) -> Iterator[Any]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:  # nothing after it can be found
                self.faults.append(error)
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                self.faults.append(error)
                self.skipped += float((packet.duration or 0) * (packet.time_base or 0))
                continue
            yield from frames


def _interleaved(frames: Iterable[Any]) -> Iterator[NDArray[np.float32]]:
    for frame in frames:
        # (1, nb * nb_channels) to (nb, nb_channels)
        yield np.asarray(frame.to_ndarray(), np.float32).reshape(frame.samples, -1)


@contextmanager
def _audio_streams(path: Path) -> Iterator[tuple[Any, list[Any]]]:
    """An open container and its audio streams."""
    try:
        # without file:, ffmpeg could take the name for another protocol
        container = av.open(f"file:{path}", **OPEN_OPTIONS)
    except (av.FFmpegError, OSError) as error:
        if path.is_file() and path.stat().st_size == 0:
            raise UserError(f"{path}: empty file") from None
        known = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)
        raise UserError(f"{path}: {'cannot be opened' if known else 'is not audio'}: {reason(error)}") from None
    with container:
        found = list(container.streams.audio)
        for number, stream in enumerate(found):
            if stream.codec_context is None or not stream.codec_context.sample_rate:
                raise UserError(f"{path}: audio stream {number} has an unknown codec")
        yield container, found
