"""The location of the user's songs or sounds."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnsep.params import ParamError


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
    """The folder of the user's songs; None if the corpus is synthesised or downloaded (see `existing`)."""
    if location.name == "synthetic" or location.path is None:
        return None
    return existing("corpus.path", location.path, Path.is_dir, "give the folder of the songs")


def sounds_path(location: LocationParams) -> Path | None:
    """The user's SoundFont or folder of sounds; None if all is synthesised (see `existing`)."""
    if not location.synthetic.sounds:
        return None
    advice = "give a SoundFont (.sf2) or a folder"
    return existing("corpus.synthetic.sounds", location.synthetic.sounds, Path.exists, advice)


def workspace() -> Path:
    """The repository, also for an experiment that runs in a copy of it, below `.dvc/tmp/exps`."""
    here = Path.cwd()
    for folder in here.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return here


def existing(key: str, text: str, kind: Callable[[Path], bool], advice: str) -> Path:
    """The absolute path that the value `text` of parameter `key` names.

    `~` is a home folder. A relative path starts at the repository; in an experiment's copy of it, at the original.
    Raises `ParamError` unless it is of this `kind`, such as `Path.is_dir`.
    """
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
