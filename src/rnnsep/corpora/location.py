"""The location of the user's songs or sounds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnsep.params import ParamError
from rnnsep.running.links import existing


@dataclass(frozen=True, kw_only=True)
class SoundsParams:
    """The key of section `corpus.synthetic` that names a file or folder."""

    sounds: str | None


@dataclass(frozen=True, kw_only=True)
class LocationParams:
    """The keys of section `corpus` that locate the songs; `path` is an existing copy of the corpus."""

    name: Literal["synthetic", "musdb18-7s", "musdb18", "musdb18-hq", "mir-1k", "folder"]
    path: str | None
    synthetic: SoundsParams

    def check(self) -> None:
        if self.synthetic.sounds is not None and self.name != "synthetic":
            raise ParamError("synthetic.sounds", f"must be null, since corpus.name is {self.name}, not synthetic")
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


def sounds_path(location: LocationParams) -> Path | None:
    """The user's SoundFont or folder of sounds; None if all is synthesised. Raises `ParamError` if there is none."""
    sounds = location.synthetic.sounds
    return (
        existing("corpus.synthetic.sounds", sounds, Path.exists, "give a SoundFont (.sf2) or a folder")
        if sounds
        else None
    )
