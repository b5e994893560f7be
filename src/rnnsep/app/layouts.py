"""Songs in folders, as separation tools and corpora lay them out, and which estimates belong to which references.

A song is a folder with a file per source (`<song>/vocals.wav`), anywhere below the root, or a `.stem.mp4` of MUSDB18.
Files may carry the song's name (`<song>_vocals.wav`, also side by side in one folder), and a source may be a folder of
files that are summed (`<song>/drums/kick.wav`).
"""

import itertools
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rnnsep.corpora.musdb18 import STEM_FILE, STREAMS
from rnnsep.running.errors import UserError
from rnnsep.running.listing import composed, files_below, folded, folder_name
from rnnsep.signal.corpus import MIXTURE
from rnnsep.signal.streams import EXTENSIONS

SUBSETS = {"train": "train", "valid": "valid", "test": "test", "dev": "train"}  # by name of the folder; DSD100 has Dev
ACCOMPANIMENT = (
    *("accompaniment", "acc", "instrumental", "instrumentals", "instrum", "no_vocals", "no vocals", "minus_vocals"),
)
# sources that are part of "other" where a song has four stems
INSTRUMENTS = (
    *("guitar", "guitars", "piano", "keys", "keyboards", "synth", "synths", "strings", "brass", "wind", "winds"),
    *("woodwinds", "organ", "percussion", "bowed_strings", "other_keys", "other_plucked"),
)
SPELLINGS = {"mix": MIXTURE, "vocal": "vocals", "voice": "vocals", "drum": "drums", "others": "other"}
KNOWN = (*STREAMS, *SPELLINGS, *ACCOMPANIMENT, *INSTRUMENTS)
PATTERNS = (r"(.+?)[\s_.-]*\({}\).*", r"(.+?)[\s_.-]+{}")  # song and source: 1_Song_(Vocals)_model, Song - Vocals


@dataclass(frozen=True)
class SongFiles:
    """A song on disk: the files of each source, which are summed."""

    name: str
    subset: str | None
    place: Path
    stems: Mapping[str, tuple[Path, ...]]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(name for name in self.stems if name != MIXTURE)

    def versions(self, source: str) -> str:
        """The files of a source that is there more than once; empty if it is one file, or one folder of files."""
        paths = self.stems[source]
        distinct = {path.with_suffix("") for path in paths}
        twice = len(distinct) < len(paths) or (len(paths) > 1 and any(path.parent == self.place for path in paths))
        return ", ".join(path.relative_to(self.place).as_posix() for path in paths) if twice else ""


def find_songs(root: Path, sources: Collection[str] = (), songs: Collection[str] = ()) -> list[SongFiles]:
    """The songs below `root`, sorted by subset and name.

    `sources` and `songs` are names that files may have: those of the references, for estimates. Raises `UserError` if
    there is no such folder.
    """
    if root.name.lower().endswith(STEM_FILE) and root.is_file():
        return [_stem_file(root, None)]
    if not root.is_dir():
        raise UserError(f"{root}: {'is a file; give a folder of songs' if root.exists() else 'no such folder'}")
    known = sorted({folded(name) for name in (*KNOWN, *sources)}, key=len, reverse=True)
    wanted = {plainly(song) for song in songs}
    folders: dict[Path, list[Path]] = defaultdict(list)
    found: list[SongFiles] = []
    for path in files_below(root):
        if path.name.lower().endswith(STEM_FILE):
            found.append(_stem_file(path, _subset(path.parent, root)))
        elif path.suffix.lower() in EXTENSIONS and path.is_file():
            folders[path.parent].append(path)
    of_sources = {folder for folder in folders if folder != root and folded(folder.name) in known}
    by_source = _by_source(folders, of_sources, wanted)
    stems: dict[tuple[Path, str], dict[str, tuple[Path, ...]]] = defaultdict(dict)
    for folder, files in folders.items():
        titled = {} if folder in of_sources else _titled(folder, files, known, wanted)
        place = folder.parent if folder in of_sources else folder
        for file in files:
            if file in titled:
                name, source = titled[file]
            elif folder in of_sources:
                name, source = file.stem if place in by_source else folder_name(place), _source(folder.name)
            else:
                name, source = folder_name(folder), _source(file.stem)
            own = stems[place, name]
            own[source] = (*own.get(source, ()), file)
    found += [SongFiles(name, _subset(place, root), place, own) for (place, name), own in stems.items()]
    above = {parent for song in found for parent in song.place.parents}
    found = [song for song in found if song.sources and (song.place not in above or set(song.sources) & set(known))]
    return sorted(found, key=lambda song: (song.subset or "", song.name))


def _subset(folder: Path, root: Path) -> str | None:
    names = [name.lower() for name in folder.relative_to(root).parts]
    return next((SUBSETS[name] for name in reversed(names) if name in SUBSETS), None)


def _by_source(
    folders: Mapping[Path, Sequence[Path]], of_sources: Collection[Path], songs: Collection[str]
) -> set[Path]:
    """The folders that are laid out as `<source>/<song>.wav`: each source has the same files."""
    titles: dict[Path, list[set[str]]] = defaultdict(list)
    for folder in of_sources:
        titles[folder.parent].append({folded(file.stem) for file in folders[folder]})
    return {
        place
        for place, each in titles.items()
        if len(each) > 1
        and each.count(each[0]) == len(each)
        and place not in folders
        and plainly(place.name) not in songs
    }


def _titled(
    folder: Path, files: Sequence[Path], known: Sequence[str], songs: Collection[str]
) -> dict[Path, tuple[str, str]]:
    """The song and source of each file of a folder whose files are named `<song>_<source>`; empty for other names.

    So are names if one of the `songs` is among them. If these are unknown, all files must have such a name and each
    song the same sources.
    """
    if any(folded(file.stem) in known for file in files):
        return {}
    titled = {file: found for file in files if (found := _parsed(file.stem, known))}
    titles = sorted({title for title, _ in titled.values()}, key=len, reverse=True)
    for file in files:
        title = next((title for title in titles if file.stem.startswith(title)), None)
        if file not in titled and title is not None:
            titled[file] = title, _source(file.stem[len(title) :].strip(" _.-") or MIXTURE)
    plain = {plainly(title) for title in titles}
    if not titled or (not songs and len(titled) < len(files)):
        return {}
    if plainly(folder_name(folder)) in (*plain, *songs):
        return {file: (folder_name(folder), source) for file, (_, source) in titled.items()}
    sources = {frozenset(source for name, source in titled.values() if name == title) for title in titles}
    return titled if (plain & set(songs) if songs else len(sources) == 1) else {}


def named(name: str, pattern: str) -> bool:
    """Whether a song or source is meant: by its name, which may hold brackets, or by a pattern."""
    return folded(name) == folded(pattern) or fnmatchcase(folded(name), folded(pattern))


def _stem_file(path: Path, subset: str | None) -> SongFiles:
    return SongFiles(path.name[: -len(STEM_FILE)], subset, path, dict.fromkeys(STREAMS, (path,)))


def _source(name: str) -> str:
    name = folded(name)
    return SPELLINGS.get(name, name)


def _parsed(stem: str, known: Sequence[str]) -> tuple[str, str] | None:
    """The song and the source of a file name (see `PATTERNS`)."""
    for source, pattern in itertools.product(known, PATTERNS):  # the longest source first
        if found := re.fullmatch(pattern.format(re.escape(source)), composed(stem), re.IGNORECASE):
            return found[1], _source(source)
    return None


def plainly(name: str) -> str:
    """A song's name without what tools add: `.stem`, a file extension, and a leading number as in `1_Song`."""
    name = re.sub(r"\.stem(\.mp4)?$", "", folded(name))
    for extension in EXTENSIONS:
        name = name.removesuffix(extension)
    return re.sub(r"^\d+_(?=.)", "", name)


def _loosely(name: str) -> str:
    """The same without what follows the last underscore, which may be a model's name as in `Song_umxl`."""
    return plainly(name).rpartition("_")[0] or plainly(name)


FORMS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (composed, composed),
    (folded, folded),
    (plainly, plainly),
    (plainly, _loosely),
)  # of the names of a reference and its estimate, from strict to loose


def pair(
    references: Sequence[SongFiles], estimates: Sequence[SongFiles]
) -> tuple[list[list[SongFiles]], list[SongFiles]]:
    """For each reference the estimates that can be meant, and the estimates that no reference matches.

    Names of subsets must agree where both sides have them, but train holds valid. Estimates without subsets go to
    every song of the name; then more than one reference has them.
    """
    pairs: list[list[SongFiles]] = [[] for _ in references]
    left = list(estimates)
    for of_reference, of_estimate in FORMS:
        for fits in (operator.eq, _compatible):
            used = []
            for found, song in zip(pairs, references, strict=True):
                if not found:
                    name = of_reference(song.name)
                    found += [one for one in left if of_estimate(one.name) == name and fits(song.subset, one.subset)]
                    used += found
            left = [one for one in left if one not in used]
    return pairs, left


def _compatible(subset: str | None, other: str | None) -> bool:
    return subset is None or other is None or {subset, other} <= {"train", "valid"}
