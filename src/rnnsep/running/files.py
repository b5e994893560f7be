"""Files that appear atomically."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnnsep.running.listing import files_below

PARTIAL = ".partial-"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path next to `path`, renamed to it when the block succeeds and removed when it fails.

    The file is flushed to disk before the rename, so a crash leaves the old file, the new one or none. The temporary
    name keeps the extension, by which some writers choose the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{PARTIAL}{uuid.uuid4().hex[:16]}-{path.name[-16:]}"
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8 atomically."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Indented JSON in UTF-8 with the key order of `content` and a final newline."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def remove_partial(folder: Path) -> None:
    """Remove the leftovers of killed writers under `folder`, to which nobody else may be writing."""
    for leftover in list(folder.rglob(f"{PARTIAL}*")):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def publish(source: Path, target: Path) -> None:
    """Let a finished file or folder also appear at `target`, replacing what is there.

    Files are hard-linked, or copied if the file system has no links.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    linked, old = (source.with_name(f"{PARTIAL}{kind}-{source.name[-16:]}") for kind in ("new", "old"))
    if source.is_dir():
        shutil.copytree(source, linked, copy_function=_link)
    else:
        _link(source, linked)
    if target.is_dir() and not target.is_symlink():
        target.replace(old)
    linked.replace(target)
    if old.exists():
        shutil.rmtree(old)


def _link(source: Path | str, target: Path | str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def stamps(path: Path) -> list[tuple[str, int, int]]:
    """Name, size in bytes and date in ns of a file or each file under a folder; of the user's if it is a link."""
    found = [path] if path.is_file() else files_below(path) if path.is_symlink() else _files(path)
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in found]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the names and bytes of files and, recursively, folders, in the order given."""
    files = [file for path in paths for file in ([path] if not path.is_dir() else _files(path))]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        hashes = list(pool.map(file_digest, files))
    return hashlib.sha256(
        json.dumps([(file.as_posix(), h) for file, h in zip(files, hashes, strict=True)]).encode()
    ).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "README.md"  # as in .dvcignore
    )
