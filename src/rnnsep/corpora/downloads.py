"""Downloads of archives: resumable, verified before they are unpacked.

`<name>.zip.part` is a partial download. It is renamed once size and checksum are verified, and the archive is removed
once its folder is complete.
"""

import hashlib
import re
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from rnnsep.running.errors import UserError
from rnnsep.running.progress import Progress

CHUNK = 1_000_000  # bytes read at a time; the unit of progress
STALL = 60.0  # s without data before a connection is closed
ATTEMPTS = 6  # consecutive attempts without new data
PAUSE = 1.0  # s before the second attempt; doubled before each further one
LONGEST_PAUSE = 120.0  # s, whatever the server requests
BUSY = (408, 425, 429, 500, 502, 503, 504)  # temporary HTTP errors
ADVICE = "; or set corpus.path to an existing copy"


@dataclass(frozen=True)
class Archive:
    """A zip on a server; `size` in bytes, `checksum` as "md5:..." or "sha256:..."."""

    url: str
    size: int
    checksum: str


def fetch_folder(name: str, archive: Archive, downloads: Path) -> Path:
    """The folder `downloads/name` with the verified contents of `archive`, downloaded if necessary.

    Raises `UserError` if the download fails or differs from `archive`.
    """
    folder, path = downloads / name, downloads / f"{name}.zip"
    with _disk(downloads):
        if not folder.exists():
            fetch(archive, path)
            unpack(path, folder)
        path.unlink(missing_ok=True)
    return folder


def fetch(archive: Archive, path: Path) -> None:
    """Download `archive` to `path`, resuming a partial download.

    Raises `UserError` if the server refuses, fails repeatedly, or has another file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    if path.exists() and not _mismatch(archive, path):
        return
    if _size(part) > archive.size:
        part.unlink()
    most, failures = _size(part), 0
    while _size(part) != archive.size:
        pause = PAUSE * 2**failures
        try:
            _attempt(archive, part)
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"the server answers {error.code} {error.reason}"
            if error.code not in BUSY:
                raise UserError(f"{archive.url}: {reason}{ADVICE}") from None
            wish = error.headers.get("Retry-After", "")
            pause = max(pause, float(wish)) if wish.isdecimal() else pause
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        if _size(part) != archive.size:
            most, failures = (_size(part), 0) if _size(part) > most else (most, failures + 1)
            if failures == ATTEMPTS:
                raise UserError(f"{archive.url}: {reason}; the partial download is kept, run again to resume{ADVICE}")
            time.sleep(min(pause, LONGEST_PAUSE))
    if mismatch := _mismatch(archive, part):
        part.unlink()
        raise UserError(f"{archive.url}: {mismatch}; the download was removed, run again{ADVICE}")
    part.replace(path)


def unpack(path: Path, folder: Path) -> None:
    """Unpack zip `path`, which is verified, to `folder` atomically."""
    scratch = folder.with_name(f"{folder.name}.unpacking")
    shutil.rmtree(scratch, ignore_errors=True)
    with zipfile.ZipFile(path) as archive, Progress(f"unpacking {path.name}", len(archive.infolist())) as progress:
        for member in archive.infolist():
            archive.extract(member, scratch)
            progress.advance()
    scratch.replace(folder)


def _attempt(archive: Archive, part: Path) -> None:
    """One connection: append to `part`, or restart it if the server sends the whole file."""
    headers = {"User-Agent": "rnnsep"}
    if start := _size(part):
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(archive.url, headers=headers)  # noqa: S310 - addresses are constants
    with urllib.request.urlopen(request, timeout=STALL) as response:  # noqa: S310
        start = _start(response, archive, start)
        with _disk(part):
            file = open(part, "ab" if start else "wb", buffering=0)  # noqa: SIM115 - closed below
        remaining = archive.size - start
        with file, Progress(f"downloading {part.stem}, MB", -(-remaining // CHUNK)) as progress:
            while remaining and (chunk := response.read(min(CHUNK, remaining))):
                remaining -= len(chunk)
                rest = memoryview(chunk)
                while rest:
                    with _disk(part):
                        rest = rest[file.write(rest) :]
                if len(chunk) == CHUNK or not remaining:
                    progress.advance()


def _start(response: HTTPResponse, archive: Archive, wanted: int) -> int:
    """The byte at which a response starts: `wanted` or 0. Raises `UserError` if the total size differs."""
    start, total = 0, response.length
    if response.status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != wanted:
            raise HTTPException("the server sends another part than requested")
        start, total = wanted, int(span[2])
    if total is not None and total != archive.size:
        raise UserError(f"{archive.url}: another version: {total} bytes, not {archive.size}{ADVICE}")
    return start


def _mismatch(archive: Archive, path: Path) -> str:
    """A description of how a file differs from `archive`; empty if it does not."""
    if _size(path) != archive.size:
        return f"has {_size(path)} bytes, not {archive.size}"
    algorithm, _, expected = archive.checksum.partition(":")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    return "" if found == expected else f"its {algorithm} is {found}, not {expected}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn errors of the file system into one line."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; the partial download is kept") from None
