"""The user's own songs: `<subset>/<song>/{mixture,<source>...}.wav`, WAV or FLAC, any rate, any sources.

The subsets are `train`, `test` and, optionally, `valid` for validation songs. A missing mixture is the sum of the
stems. Case does not matter in names, and `mix` is another name of the mixture. Stems in other formats are
decoded where there is no WAV or FLAC file of the same name.
"""

from pathlib import Path
from typing import Literal

from rnnsep.corpora.tree import Recording, Stem
from rnnsep.running.errors import UserError
from rnnsep.running.listing import listed
from rnnsep.signal.corpus import MIXTURE
from rnnsep.signal.streams import ENDINGS

SUFFIXES = (".wav", ".flac")
MIXTURES = (MIXTURE, "mix")
FOLDERS: tuple[tuple[str, Literal["train", "test"], Literal["train", "valid", "test"]], ...] = (
    ("test", "test", "test"),
    ("train", "train", "train"),
    ("valid", "train", "valid"),
)


def recordings(path: Path) -> list[Recording]:
    """The songs under `path`. Raises `UserError` if a song has one stem twice, or none."""
    return [
        Recording(song.name, subset, split, _stems(song))
        for folder, subset, split in FOLDERS
        for place in listed(path)
        if place.name.casefold() == folder
        for song in listed(place)
        if song.is_dir()
    ]


def _stems(song: Path) -> dict[str, Stem]:
    stems: dict[str, Stem] = {}
    files = [file for file in listed(song) if file.suffix.lower() in ENDINGS and file.is_file()]
    for file in sorted(files, key=lambda file: file.suffix.lower() not in SUFFIXES):
        name = file.stem.casefold()
        name = MIXTURE if name in MIXTURES else name
        if name in stems:
            if file.suffix.lower() not in SUFFIXES:
                continue  # a compressed copy
            raise UserError(f"{song}: {stems[name].path.name} and {file.name} are both its {name}; remove one")
        stems[name] = Stem(file)
    if not stems.keys() - {MIXTURE}:
        raise UserError(f"{song}: has no stem apart from the mixture; add one or remove the song")
    return stems
