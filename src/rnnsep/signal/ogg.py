"""The pages of Ogg files: whether the end is there, and whether there is one stream only."""

from pathlib import Path

LARGEST = 65307  # bytes of a page


def last_page(path: Path) -> bytes:
    """The last page of an Ogg file, which may be incomplete; empty for other files."""
    with open(path, "rb") as file:
        if file.read(4) != b"OggS":
            return b""
        file.seek(max(0, path.stat().st_size - 2 * LARGEST))
        end = file.read()
    return end[max(0, end.rfind(b"OggS\0")) :]


def is_complete(page: bytes) -> bool:
    """Whether a page has all of its bytes and is marked as the last one."""
    start = 27 + page[26] if len(page) > 26 else len(page) + 1
    return len(page) >= start + sum(page[27:start]) and bool(page[5] & 4)


def is_single(path: Path) -> bool:
    """Whether a file is Ogg, complete, and begins and ends with the same stream, so that it has no others."""
    page = last_page(path)
    if not page or not is_complete(page):
        return False
    with open(path, "rb") as file:
        return file.read(18)[14:] == page[14:18]  # the serial number
