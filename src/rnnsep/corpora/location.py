"""The location of the user's songs or SoundFont, and a link so that DVC tracks them.

DVC hashes what is behind the link like any dependency, so it runs the stage download again when a song was added,
replaced or removed. It does not look into folders that are links themselves.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnsep.params import ParamError
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.links import workspace
from rnnsep.running.listing import listed
from rnnsep.running.progress import warn


@dataclass(frozen=True, kw_only=True)
class FontParams:
    """The key of section `corpus.synthetic` that names a file."""

    soundfont: str | None


@dataclass(frozen=True, kw_only=True)
class LocationParams:
    """The keys of section `corpus` that locate the songs; `path` is an existing copy of the corpus."""

    name: Literal["synthetic", "musdb18-7s", "musdb18", "musdb18-hq", "mir-1k", "folder"]
    path: str | None
    synthetic: FontParams

    def check(self) -> None:
        if self.synthetic.soundfont is not None and self.name != "synthetic":
            raise ParamError("synthetic.soundfont", f"must be null, since corpus.name is {self.name}, not synthetic")
        if self.path is None and self.name in ("mir-1k", "folder"):
            raise ParamError("path", f"must be the folder of the songs, since corpus.name is {self.name}")


def songs_folder(location: LocationParams) -> Path | None:
    """The folder of the user's songs; None if the corpus is synthesised or downloaded.

    `~` is a home folder. A relative path starts at the repository; in an experiment's copy of it, at the original.
    Raises `ParamError` if there is no such folder.
    """
    if location.name == "synthetic" or location.path is None:
        return None
    return _existing("corpus.path", location.path, Path.is_dir, "give the folder of the songs")


def soundfont_file(location: LocationParams) -> Path | None:
    """The user's SoundFont; None if the instruments are synthesised. Raises `ParamError` if there is no such file."""
    if location.synthetic.soundfont is None:
        return None
    return _existing(
        "corpus.synthetic.soundfont", location.synthetic.soundfont, Path.is_file, "give a SoundFont (.sf2)"
    )


def link_songs(location: LocationParams, link: Path, record: Path) -> None:
    """Link the user's songs or SoundFont at `link`, or write a file there that says that there are none.

    Writes the setting to `record`. Raises `UserError` if something else is at `link`.
    """
    target = songs_folder(location) or soundfont_file(location)
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.unlink(missing_ok=True)
        if target is None:
            files.write_text(link, "no folder of songs\n")
        else:
            link.symlink_to(target.resolve(), target_is_directory=target.is_dir())
    except OSError as error:
        raise UserError(f"{link}: cannot be replaced by a link ({error.strerror}); move it elsewhere") from None
    if target is not None and target.is_dir() and (linked := list(_links(target))):
        names = ", ".join(path.relative_to(target).as_posix() for path in linked)
        warn(
            f"{target}: {names}: links to folders, in which DVC sees no changes; after a change run"
            " dvc repro --force --single-item download"
        )
    font = location.synthetic.soundfont
    setting = f"corpus.synthetic.soundfont: {font}" if font else f"corpus.path: {location.path if target else None}"
    files.write_text(record, f"{setting}\n")


def _existing(key: str, text: str, kind: Callable[[Path], bool], advice: str) -> Path:
    path = Path(text)
    with suppress(RuntimeError):  # an unknown ~user
        path = workspace() / path.expanduser()
    try:
        if kind(path):
            return path
        problem = "is a folder" if path.is_dir() else "is a file" if path.is_file() else "does not exist"
    except (OSError, ValueError):  # a name that is too long or holds a null byte
        problem = "does not exist"
    raise ParamError(key, f"{path} {problem}; {advice}")


def _links(folder: Path, levels: int = 3) -> Iterator[Path]:
    """Linked folders on the first levels of `folder`, where subsets, songs and sources are."""
    for path in listed(folder):
        if path.is_symlink() and path.is_dir():
            yield path
        elif levels > 1 and path.is_dir():
            yield from _links(path, levels - 1)
