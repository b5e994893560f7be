"""Decoding audio of any container in blocks, as ffmpeg does it.

Audio is float32 (nb_samples, nb_channels), in [-1, 1) unless a file exceeds full scale.
"""

import re
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
from rnnsep.signal.ogg import is_complete, last_page

OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)  # gone since PyAV 19
FRAMES = 64  # of a codec, about 1024 samples each, decoded at a time
SLACK = 0.1  # s by which the declared length may exceed the decoded one, for a codec's padding
# containers that know the length of a stream; in others it is an estimate
EXACT = frozenset(["aiff", "au", "caf", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "tta", "w64", "wav", "wv"])
MICROSECONDS = 1e-6  # s, the unit of a container's duration
MP3_LENGTH = re.compile(rb"\xff[\xe0-\xff].{7,34}(Xing|Info|VBRI)", re.DOTALL)  # the frame of a header that has one


def decode(
    path: Path, stream: int = 0, report: Callable[[str], object] = warn
) -> tuple[int, Iterator[NDArray[np.float32]]]:
    """The rate in Hz and the blocks (nb, nb_channels) of an audio stream of any container that PyAV reads.

    The streams of a `.stem.mp4` are mixture, drums, bass, other, vocals. Stream 0 is the first one whose codec is
    known. As in ffmpeg, packets that cannot be decoded are skipped, and a stream that changes its rate or channels is
    converted to those that it begins with. After the last block `report` is called with one line about this, if there
    is anything to say. Raises `UserError`, naming the file, if it cannot be opened, has no such audio stream, or holds
    no audio that can be decoded.
    """
    with _opened(path) as container:
        rate = int(_stream(path, container, stream).codec_context.sample_rate)
    return rate, _decoded(path, stream, rate, report)


def _decoded(path: Path, number: int, rate: int, report: Callable[[str], object]) -> Iterator[NDArray[np.float32]]:
    nb_samples = 0
    with _opened(path) as container:
        stream = _stream(path, container, number)
        decoding = _Decoding(rate)
        frames = decoding.frames(container, stream)
        try:
            while part := list(islice(frames, FRAMES)):
                block = np.concatenate(part)
                if not np.isfinite(block).all():
                    raise UserError(f"{path}: holds NaN or infinity; fix or remove it")
                nb_samples += len(block)
                yield block
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{path}: damaged: {reason(error)}") from None
        if nb_samples == 0 and decoding.faults:
            raise UserError(f"{path}: damaged: {reason(decoding.faults[0])}")
        estimate, length = _seconds(stream), _exact_length(path, container, stream, decoding.begin)
    remarks = []
    missing = max(0.0, (estimate if length is None else length) - nb_samples / rate)
    if (page := last_page(path)) and not is_complete(page):
        remarks.append("truncated: its last page is missing, and with it an unknown part of the end")
    elif decoding.faults or (length is not None and missing > SLACK):
        bound = "" if length is not None and missing else "up to " if estimate else "at least "
        remarks.append(f"damaged or truncated: {bound}{max(missing, decoding.skipped):.2f} s of audio are lost")
    if decoding.changed:
        remarks.append(f"{decoding.changed}; all is converted to the format of the beginning")
    if remarks:
        report(f"{path}: {'; '.join(remarks)}")


def _seconds(stream: Any) -> float:
    """The duration of a stream, which may be an estimate; 0 if it is unknown."""
    return float((stream.duration or 0) * (stream.time_base or 0))


def _exact_length(path: Path, container: Any, stream: Any, begin: int) -> float | None:
    """The declared duration of a stream in s; None if the file does not hold it. `begin`: byte of the first packet."""
    kind = container.format.name
    if kind.startswith("matroska"):
        hours, *rest = str(stream.metadata.get("DURATION", "")).split(":")
        if len(rest) == 2:
            return 3600 * float(hours) + 60 * float(rest[0]) + float(rest[1])
        return container.duration * MICROSECONDS if len(container.streams) == 1 and container.duration else None
    if kind == "mp3":
        with open(path, "rb") as file:
            file.seek(max(0, begin - 2000))  # the header is a frame of its own before the first packet
            if not MP3_LENGTH.search(file.read(min(begin, 2000))):
                return None
    elif kind not in EXACT:
        return None
    return _seconds(stream) or None


class _Decoding:
    """Decodes one stream.

    Records its `begin` (byte of the first packet), `faults`, the seconds `skipped`, and how it `changed` its format.
    """

    def __init__(self, rate: int):
        self.rate = rate
        self.begin = -1
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
            if self.begin < 0:
                self.begin = packet.pos or 0
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
def _opened(path: Path) -> Iterator[Any]:
    try:
        # without file:, ffmpeg could take the name for another protocol
        container = av.open(f"file:{path}", **OPEN_OPTIONS)
    except (av.FFmpegError, OSError) as error:
        if path.is_file() and path.stat().st_size == 0:
            raise UserError(f"{path}: empty file") from None
        known = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)
        raise UserError(f"{path}: {'cannot be opened' if known else 'is not audio'}: {reason(error)}") from None
    with container:
        yield container


def _stream(path: Path, container: Any, number: int) -> Any:
    """An audio stream; number 0 is the first that can be decoded, since phones write new codecs beside AAC."""
    streams = list(container.streams.audio)
    known = [one for one in streams if one.codec_context is not None and one.codec_context.sample_rate]
    if number >= len(streams):
        raise UserError(f"{path}: has no audio stream {number}")
    chosen = known[0] if number == 0 and known else streams[number]
    if chosen not in known:
        raise UserError(f"{path}: audio stream {number} has an unknown codec")
    return chosen
