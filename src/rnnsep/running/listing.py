"""Folders of the user's files, without hidden files and those of operating systems, and their names."""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from rnnsep.running.errors import UserError

SYSTEM = {
    "@eadir", "@recycle", "#recycle", "#snapshot", "@tmp", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini",
    "$recycle.bin", "system volume information", "lost+found",
}  # fmt: skip


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden or belongs to an operating system or a file server.

    Names with more dots are titles, such as "...Baby One More Time".
    """
    return (name.startswith(".") and not name.startswith("..")) or name.casefold() in SYSTEM


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC); macOS may decompose names."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """A name for comparison without regard to case and Unicode's normalisation."""
    return composed(name).casefold()


def folder_name(folder: Path) -> str:
    """The name of a folder; of a link, not of what it refers to."""
    return Path(os.path.abspath(folder)).name  # noqa: PTH100  # resolve() follows links


def listed(folder: Path) -> list[Path]:
    """What lies in `folder`, sorted, without hidden entries; nothing if there is no such folder.

    Raises `UserError` if the folder cannot be listed.
    """
    try:
        return sorted(path for path in folder.iterdir() if not is_hidden(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed: {error.strerror}") from None


def files_below(folder: Path, parents: tuple[Path, ...] = ()) -> Iterator[Path]:
    """All files below `folder`, sorted, without hidden entries. Linked folders are followed, but never in a circle."""
    parents = (*parents, folder.resolve())
    for path in listed(folder):
        if not path.is_dir():
            yield path
        elif path.resolve() not in parents:
            yield from files_below(path, parents)
