"""WAV files whose header does not say where the audio ends.

Programs that write to a pipe leave a size of 0, 0x7FFFF000 (SoX) or 0xFFFFFFFF (ffmpeg), and beyond 4 GiB the size
wraps. The audio of these files ends with the file. Others are several files one after the other (`cat a.wav b.wav`).
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

UNKNOWN = (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)  # sizes of a data chunk that nobody means
UNCLOSED = b"RIFF\x08\0\0\0"  # with a data size of 0, libsndfile reads to the end of the file


def endless(path: Path) -> io.FileIO | None:
    """A WAV or RF64 file with audio behind the declared end, open to be read to its end; None for other files."""
    length = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
            return None
        wide: int | None = None
        for name, start, declared in _chunks(file):
            if name == b"ds64":
                wide = int.from_bytes(file.read(16)[8:], "little")  # after the size of the whole file
            if name == b"data":
                size = wide if wide is not None and declared == 0xFFFFFFFF else declared
                rest = length - start - size
                return _Endless(path, start) if rest > 0 and (size in UNKNOWN or rest >= 1 << 32) else None
    return None


def has_parts(path: Path) -> bool:
    """Whether a WAV or AIFF file has audio twice, or another file behind its audio."""
    with open(path, "rb") as file:
        kind = file.read(12)[:4]
        names = [name for name, _, _ in _chunks(file, "big" if kind in (b"FORM", b"RIFX") else "little")]
    return sum(name in (kind, b"data", b"SSND") for name in names) > 1


def _chunks(file: BinaryIO, order: Literal["little", "big"] = "little") -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and declared size of the chunks that follow."""
    while len(head := file.read(8)) == 8:
        start, size = file.tell(), int.from_bytes(head[4:], order)
        yield head[:4], start, size
        file.seek(start + size + size % 2)


class _Endless(io.FileIO):
    """The file without sizes in its header; its audio begins at byte `start`."""

    def __init__(self, path: Path, start: int):
        super().__init__(path)
        self.changes = {0: UNCLOSED, start - 4: bytes(4)}

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        begin, nb_bytes = self.tell(), super().readinto(buffer)
        for at, new in self.changes.items():
            first, last = max(at, begin), min(at + len(new), begin + nb_bytes)
            if first < last:
                memoryview(buffer).cast("B")[first - begin : last - begin] = new[first - at : last - at]
        return nb_bytes

    def __del__(self) -> None:
        self.close()  # silently, as libsndfile's own files
