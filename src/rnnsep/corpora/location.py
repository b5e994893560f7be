"""The location of the user's songs or SoundFont, and a link so that DVC tracks them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnsep.params import ParamError
from rnnsep.running.links import existing, make_link


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
    return existing("corpus.path", location.path, Path.is_dir, "give the folder of the songs")


def soundfont_file(location: LocationParams) -> Path | None:
    """The user's SoundFont; None if the instruments are synthesised. Raises `ParamError` if there is no such file."""
    font = location.synthetic.soundfont
    return existing("corpus.synthetic.soundfont", font, Path.is_file, "give a SoundFont (.sf2)") if font else None


def link_songs(location: LocationParams, link: Path, record: Path) -> None:
    """Link the user's songs or SoundFont at `link`, or write a file there that says that there are none.

    Writes the setting to `record`. Raises `UserError` if something else is at `link`.
    """
    target, font = songs_folder(location) or soundfont_file(location), location.synthetic.soundfont
    setting = f"corpus.synthetic.soundfont: {font}" if font else f"corpus.path: {location.path if target else None}"
    make_link(target, link, record, setting)
