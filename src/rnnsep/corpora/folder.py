"""A tree of the user's own: `<subset>/<song>/{mixture,<source>...}.wav`, wav or flac, any rate, any sources.

The subsets are `train`, `test` and, if the user has chosen the songs for validation, `valid`. A mixture may be
left out; it is then the sum of the song's stems.
"""

from pathlib import Path
from typing import Literal

from rnnsep.corpora.tree import Recording, Stem
from rnnsep.running.errors import UserError

SUFFIXES = (".wav", ".flac")
FOLDERS: tuple[tuple[str, Literal["train", "test"], Literal["train", "valid", "test"]], ...] = (
    ("test", "test", "test"),
    ("train", "train", "train"),
    ("valid", "train", "valid"),
)


def recordings(path: Path) -> list[Recording]:
    """The songs under `path`. Raises `UserError` where a song has one stem twice, or none."""
    songs = []
    for folder, subset, split in FOLDERS:
        for song in _listed(path / folder):
            if not song.is_dir():
                continue
            stems: dict[str, Stem] = {}
            for file in _listed(song):
                if file.suffix.lower() not in SUFFIXES:
                    continue
                if file.stem in stems:
                    raise UserError(f"{file}: {file.stem} is there as wav and as flac; remove one")
                stems[file.stem] = Stem(file)
            if not stems.keys() - {"mixture"}:
                raise UserError(f"{song}: has no stem apart from the mixture (WAV or FLAC); add one or remove the song")
            songs.append(Recording(song.name, subset, split, stems))
    return songs


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, hidden files left out; nothing where it does not exist."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed: {error.strerror}") from None
