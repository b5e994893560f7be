"""The data chunk of WAV files, whose declared size is often wrong.

Programs that write to a pipe or are killed leave a size of 0, 0x7FFFF000 (SoX) or 0xFFFFFFFF (ffmpeg); some recorders
count the header too; and beyond 4 GiB the size wraps. The audio of these files ends with the file.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = 0x7FFFF000  # declared sizes from here on may mean "until the end of the file"


@dataclass(frozen=True)
class DataChunk:
    """Samples from byte `start` of a file on: `size` bytes as declared, `held` bytes up to the end of the file."""

    start: int
    size: int
    held: int

    @property
    def is_truncated(self) -> bool:
        """Whether audio is missing: more than a header that was counted too, of a size that is really meant."""
        return self.held < self.size < UNKNOWN and self.size - self.held > self.start

    @property
    def is_endless(self) -> bool:
        """Whether the size is 0 or has wrapped at 4 GiB."""
        return self.size == 0 or self.held - self.size >= 1 << 32


def data_chunk(path: Path) -> DataChunk | None:
    """The data chunk of a RIFF WAV file, None if the file has none. Raises OSError if it cannot be read."""
    length = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return DataChunk(file.tell(), size, length - file.tell())
            file.seek(size + size % 2, 1)
    return None


class Tail(io.FileIO):
    """A file without its first `start` bytes."""

    def __init__(self, path: Path, start: int):
        super().__init__(path)
        self.start = start
        self.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return super().seek(offset + (self.start if whence == os.SEEK_SET else 0), whence) - self.start

    def tell(self) -> int:
        return super().tell() - self.start
