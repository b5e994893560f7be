"""The data chunk of WAV, RF64, W64 and CAF files, whose declared size is often wrong.

Programs that write to a pipe or are killed leave a size of 0, 0x7FFFF000 (SoX) or 0xFFFFFFFF (ffmpeg); some recorders
count the header too; and beyond 4 GiB the size wraps. The audio of these files ends with the file.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

UNKNOWN = 0x7FFFF000  # declared sizes from here on may mean "until the end of the file"


@dataclass(frozen=True)
class DataChunk:
    """Samples from byte `start` of a file on: `size` bytes as declared, `held` bytes up to the end of the file.

    `wide` says whether the size has 64 bits, as in all but WAV.
    """

    start: int
    size: int
    held: int
    wide: bool

    @property
    def is_truncated(self) -> bool:
        """Whether audio is missing: more than a header that was counted too, of a size that is really meant."""
        return self.size - self.held > self.start and (self.wide or self.size < UNKNOWN)

    @property
    def is_endless(self) -> bool:
        """Whether the size is 0 or has wrapped at 4 GiB."""
        return self.size == 0 or (not self.wide and self.held - self.size >= 1 << 32)


def data_chunk(path: Path) -> DataChunk | None:
    """The data chunk of a WAV, RF64, W64 or CAF file; None for others. Raises OSError if it cannot be read."""
    length = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
            return _wav(file, length)
        if head[:4] == b"riff":
            return _w64(file, length)
        return _caf(file, length) if head[:4] == b"caff" else None


def _wav(file: BinaryIO, length: int) -> DataChunk | None:
    wide: int | None = None
    while len(chunk := file.read(8)) == 8:
        size = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            known = wide is not None and size == 0xFFFFFFFF
            return DataChunk(file.tell(), (wide or 0) if known else size, length - file.tell(), known)
        end = file.tell() + size + size % 2
        if chunk[:4] == b"ds64":
            wide = int.from_bytes(file.read(16)[8:], "little")  # after the size of the whole file
        file.seek(end)
    return None


def _w64(file: BinaryIO, length: int) -> DataChunk | None:
    """Chunks have names of 16 bytes and sizes that include both, and start at multiples of 8."""
    start = 40
    file.seek(start)
    while len(chunk := file.read(24)) == 24:
        size = int.from_bytes(chunk[16:], "little")
        if chunk[:4] == b"data":
            return DataChunk(file.tell(), max(0, size - 24), length - file.tell(), True)
        start += max(24, size + -size % 8)
        file.seek(min(start, length))
    return None


def _caf(file: BinaryIO, length: int) -> DataChunk | None:
    """Sizes are big-endian; the data start with an edit count of 4 bytes; -1 is a size that is not known."""
    start = 8
    file.seek(start)
    while len(chunk := file.read(12)) == 12:
        size = int.from_bytes(chunk[4:], "big", signed=True)
        if chunk[:4] == b"data":
            file.seek(start + 16)
            return DataChunk(start + 16, max(0, size - 4), length - start - 16, True)
        start += 12 + max(0, size)
        file.seek(min(start, length))
    return None


class Tail(io.FileIO):
    """A file without its first `start` bytes."""

    def __init__(self, path: Path, start: int):
        super().__init__(path)
        self.start = start
        self.seek(0)

    def __del__(self) -> None:
        self.close()  # silently, as libsndfile's own files

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return super().seek(offset + (self.start if whence == os.SEEK_SET else 0), whence) - self.start

    def tell(self) -> int:
        return super().tell() - self.start
