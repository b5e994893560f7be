"""The user's own songs: `<subset>/<song>/{mixture,<source>...}.wav`, WAV or FLAC, any rate, any sources.

The subsets are `train`, `test` and, optionally, `valid` for validation songs. A missing mixture is the sum of the
stems. All audio files in a folder `<song>/<source>/` are parts of that source. Case and Unicode normalisation of names
do not matter. Stems in other formats are decoded where there is no WAV or FLAC file of the same name. DSD100, with its
folders Mixtures and Sources, is read too.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from rnnsep.corpora.original import Recording, Split, Stem, Subset
from rnnsep.running.errors import UserError
from rnnsep.running.listing import composed, files_below, folded, is_hidden, listed
from rnnsep.running.progress import warn
from rnnsep.signal.corpus import MIXTURE
from rnnsep.signal.streams import EXTENSIONS

LAYOUT = "train/<song>/<source>.wav and test/<song>/<source>.wav"
LOSSLESS = (".wav", ".flac")
MIXTURES = (MIXTURE, "mix")
SOURCES = (*MIXTURES, "vocals", "drums", "bass", "other", "accompaniment", "guitar", "piano", "strings")
# folders of subsets; "dev" in DSD100, "validation" in Slakh2100
SPLITS: dict[str, Split] = {"dev": "train", "train": "train", "valid": "valid", "validation": "valid", "test": "test"}
NUMBERED = re.compile(r"s\d\d|stem_\d\d")  # stems of Slakh2100 and MedleyDB; their metadata say which source they are


def recordings(path: Path) -> list[Recording]:
    """The songs under `path`.

    Raises `UserError` if there are none, or in another layout, and for a song that has one stem twice, or none.
    """
    root = subsets_root(path)
    places = {place.name.casefold(): place for place in listed(root)}
    mixtures = places.get("mixtures", root / "Mixtures")
    songs = [
        Recording(composed(song.name), subset, split, stems)
        for subset, split, folder in subsets(places.get("sources", root))
        for song in song_folders(folder)
        if (stems := song_stems(song, mixtures / folder.name / song.name))
    ]
    if not songs:
        raise UserError(f"corpus.path: {path}: expected {LAYOUT}, found {_found(root)}")
    return songs


def subsets_root(path: Path) -> Path:
    """`path`, or the one folder in it that has the subsets. Raises `UserError` if several have them."""
    roots = [folder for folder in listed(path) if folder.is_dir() and _has_subsets(folder)]
    if _has_subsets(path) or not roots:
        return path
    if len(roots) > 1:
        names = ", ".join(f"{root.name}/" for root in roots)
        raise UserError(f"corpus.path: {path} holds several corpora ({names}); give the folder of one")
    print(f"songs: from {roots[0]}", flush=True)
    return roots[0]


def _has_subsets(folder: Path) -> bool:
    names = {path.name.casefold() for path in listed(folder) if path.is_dir()}
    return bool(names & {"train", "test"}) or {"mixtures", "sources"} <= names


def subsets(root: Path) -> Iterator[tuple[Subset, Split, Path]]:
    """Subset, split and folder of each subset in `root`: first test, then train and valid."""
    found = [(SPLITS[name], place) for place in listed(root) if (name := place.name.casefold()) in SPLITS]
    for split, place in sorted(found):
        yield "test" if split == "test" else "train", split, place


def song_folders(subset: Path) -> list[Path]:
    """The folders of the songs of a subset.

    Raises `UserError` if there is a folder for each source instead, and for a link to nothing.
    """
    folders = [path for path in listed(subset) if path.is_dir()]
    for path in listed(subset):
        if not path.exists():
            raise UserError(f"{path}: a link to {path.readlink()}, which does not exist; fix or remove it")
    if len(folders) > 1 and all(folded(path.name) in SOURCES for path in folders):
        raise UserError(f"corpus.path: {subset} has a folder for each source, not for each song; expected {LAYOUT}")
    for path in subset.iterdir():
        if is_hidden(path.name) and path.name[1:2].isalnum() and any(map(_is_audio, path.glob("*"))):
            warn(f"{path}: hidden, so it is no song; rename it if it is one")
    return folders


def song_stems(song: Path, mixture: Path | None = None) -> dict[str, Stem]:
    """The stems of a song; its mixture may be in another folder. Empty, with a warning, without any audio.

    Raises `UserError` for a stem that is there twice or has a number for a name, and if there is only a mixture.
    """
    files: dict[str, list[Path]] = {}
    for folder in (song, mixture) if mixture else (song,):
        for file in files_below(folder):
            if _is_audio(file):
                files.setdefault(_stem_name(file.relative_to(folder), song), []).append(file)
    if not files:
        warn(f"{song}: holds no audio, so it is no song")
        return {}
    names = {name.split("/")[0] for name in files}
    for name in sorted(names):
        if NUMBERED.fullmatch(name) or name in ("", ".", ".."):
            raise UserError(
                f"{song}: {name!r} names no source; name stems or their folders after sources, such as drums/S01.flac"
                " (Slakh2100 and MedleyDB number their stems, and have the sources in their metadata)"
            )
        if name in files and any(other.startswith(f"{name}/") for other in files):
            raise UserError(f"{song}: {name} is a file and a folder, of which one may be the sum; remove one")
    if names == {MIXTURE}:
        raise UserError(f"{song}: has no stem apart from the mixture; add one or remove the song")
    return {name: Stem(_one_of(name, those, song)) for name, those in files.items()}


def _one_of(name: str, files: list[Path], song: Path) -> Path:
    """The file of a stem, if there is one in a lossless format and others with a warning."""
    lossless = [file for file in files if file.suffix.lower() in LOSSLESS] or files
    if len(lossless) > 1:
        raise UserError(f"{song}: {lossless[0].name} and {lossless[1].name} are both its {name}; remove one")
    for file in set(files) - set(lossless):
        warn(f"{song}: {file.name} is not read, since there is {lossless[0].name}")
    return lossless[0]


def _is_audio(file: Path) -> bool:
    """Whether a file is audio by its name, be it a link to nothing."""
    return file.suffix.lower() in EXTENSIONS and not file.is_dir()


def _stem_name(file: Path, song: Path) -> str:
    """`drums` for `drums.wav`, `Stems/Drums.WAV` and `<song>_drums.wav`, `drums/kick` for `drums/kick.wav`."""
    first, *others = (folded(part).removeprefix(f"{folded(song.name)}_") for part in file.with_suffix("").parts)
    if first == "stems" and others:
        first, *others = others
    return "/".join((MIXTURE if first in MIXTURES else first, *others))


def _found(folder: Path) -> str:
    """What is in `folder`, or in its subsets, in a few words."""
    entries = [entry for _, _, subset in subsets(folder) for entry in listed(subset)] or listed(folder)
    names = [f"{one.relative_to(folder).as_posix()}{'/' * one.is_dir()}" for one in entries]
    return ", ".join([*names[:3], *[f"{len(names) - 3} more"] * (len(names) > 3)]) or "nothing"
