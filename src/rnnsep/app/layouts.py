"""Songs in folders, as separation tools and corpora lay them out, and which estimates belong to which references.

A song is a folder with a file per source (`<song>/vocals.wav`), anywhere below the root, or a `.stem.mp4` of MUSDB18.
Files may carry the song's name (`<song>_vocals.wav`, also side by side in one folder), and a source may be a folder of
files that are summed (`<song>/drums/kick.wav`).
"""

import operator
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from rnnsep.running.errors import UserError
from rnnsep.running.listing import listed
from rnnsep.signal.corpus import MIXTURE
from rnnsep.signal.streams import EXTENSIONS

STEM_FILE = ".stem.mp4"
STREAMS = (MIXTURE, "drums", "bass", "other", "vocals")  # of a .stem.mp4
SUBSETS = {"train": "train", "valid": "valid", "test": "test", "dev": "train"}  # by name of the folder; DSD100 has Dev
ACCOMPANIMENT = (
    "accompaniment",
    "acc",
    "instrumental",
    "instrumentals",
    "instrum",
    "no_vocals",
    "no vocals",
    "minus_vocals",
)
# sources that are part of "other" where a song has four stems
INSTRUMENTS = (
    *("guitar", "guitars", "piano", "keys", "keyboards", "synth", "synths", "strings", "brass", "wind", "winds"),
    *("woodwinds", "organ", "percussion", "bowed_strings", "other_keys", "other_plucked"),
)
SPELLINGS = {"mix": MIXTURE, "vocal": "vocals", "voice": "vocals", "drum": "drums", "others": "other"}
KNOWN = (*STREAMS, *SPELLINGS, *ACCOMPANIMENT, *INSTRUMENTS)


@dataclass(frozen=True)
class SongFiles:
    """A song on disk: the files of each source, which are summed, and sources of which there are several `versions`."""

    name: str
    subset: str | None
    place: Path
    stems: Mapping[str, tuple[Path, ...]]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(name for name in self.stems if name != MIXTURE)


def find_songs(root: Path, sources: Collection[str] = (), songs: Collection[str] = ()) -> list[SongFiles]:
    """The songs below `root`, sorted by subset and name.

    `sources` and `songs` are names that files may have: those of the references, for estimates. Raises `UserError` if
    there is no such folder.
    """
    if root.name.lower().endswith(STEM_FILE) and root.is_file():
        return [_stem_file(root, None)]
    if not root.is_dir():
        raise UserError(f"{root}: {'is a file; give a folder of songs' if root.exists() else 'no such folder'}")
    known = sorted({spelt(name) for name in (*KNOWN, *sources)}, key=len, reverse=True)
    found = list(_below(root, None, known, {plainly(song) for song in songs}, ()))
    above = {parent for song in found for parent in song.place.parents}
    found = [song for song in found if song.sources and (song.place not in above or set(song.sources) & set(known))]
    return sorted(found, key=lambda song: (song.subset or "", song.name))


def spelt(name: str) -> str:
    """`name` for comparisons, in one case and Unicode normalisation."""
    return unicodedata.normalize("NFC", name).casefold()


def named(name: str, pattern: str) -> bool:
    """Whether a song or source is meant: by its name, which may hold brackets, or by a pattern."""
    return spelt(name) == spelt(pattern) or fnmatchcase(spelt(name), spelt(pattern))


def _below(
    folder: Path, subset: str | None, known: Sequence[str], songs: Collection[str], parents: tuple[Path, ...]
) -> Iterator[SongFiles]:
    folders = [path for path in listed(folder) if path.is_dir() and path.resolve() not in parents]
    files = _audio(folder)
    parts = {path: tuple(found) for path in folders if spelt(path.name) in known and (found := _audio(path))}
    titles = [{spelt(file.stem) for file in found} for found in parts.values()]
    alike = len(parts) > 1 and all(title == titles[0] for title in titles)
    if alike and not files and plainly(folder.name) not in songs:
        yield from _by_source(folder, subset, parts)
    else:
        for file in files:
            if file.name.lower().endswith(STEM_FILE):
                yield _stem_file(file, subset)
        files = [file for file in files if not file.name.lower().endswith(STEM_FILE)]
        yield from _by_name(folder, subset, files, parts, known, songs)
    for path in folders:
        if path not in parts:
            inner = SUBSETS.get(path.name.lower(), subset)
            yield from _below(path, inner, known, songs, (*parents, folder.resolve()))


def _audio(folder: Path) -> list[Path]:
    return [path for path in listed(folder) if path.suffix.lower() in EXTENSIONS and path.is_file()]


def _by_source(folder: Path, subset: str | None, parts: Mapping[Path, Sequence[Path]]) -> Iterator[SongFiles]:
    """The songs of a folder that is laid out as `<source>/<song>.wav`."""
    songs: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for source, files in parts.items():
        for file in files:
            songs[file.stem].append((_source(source.name), file))
    for name, stems in songs.items():
        yield _song(name, subset, folder, stems)


def _by_name(
    folder: Path,
    subset: str | None,
    files: Sequence[Path],
    parts: Mapping[Path, tuple[Path, ...]],
    known: Sequence[str],
    songs: Collection[str],
) -> Iterator[SongFiles]:
    """The song that `folder` is, or those whose files lie side by side in it."""
    name = Path(os.path.abspath(folder)).name  # noqa: PTH100  # the name of a link, not of what it refers to
    titled = {} if any(spelt(file.stem) in known for file in files) else _titled(files, known, strict=not songs)
    if songs:
        beside = any(plainly(title) in songs for title in titled)
    else:
        beside = len({frozenset(source for source, _ in stems) for stems in titled.values()}) == 1
    if any(plainly(name) in (plainly(title), *songs) for title in titled):
        yield _song(name, subset, folder, [stem for stems in titled.values() for stem in stems], parts)
    elif beside:
        for title, stems in titled.items():
            yield _song(title, subset, folder, stems)
    elif files or parts:
        yield _song(name, subset, folder, [(_source(file.stem), file) for file in files], parts)


def _titled(files: Sequence[Path], known: Sequence[str], strict: bool) -> dict[str, list[tuple[str, Path]]]:
    """Sources and files by song, from names such as `Song_vocals`; if `strict`, empty if a name is not of this form."""
    titles = sorted({found[0] for file in files if (found := _parsed(file.stem, known))}, key=len)
    titled: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for file in files:
        found = _parsed(file.stem, known)
        for title in () if found else titles:
            if file.stem.startswith(title):
                found = title, _source(file.stem[len(title) :].strip(" _.-") or MIXTURE)
        if found:
            titled[found[0]].append((found[1], file))
        elif strict:
            return {}
    return titled


def _song(
    name: str,
    subset: str | None,
    place: Path,
    stems: Sequence[tuple[str, Path]],
    parts: Mapping[Path, tuple[Path, ...]] | None = None,
) -> SongFiles:
    by_source: dict[str, list[Path]] = defaultdict(list)
    for source, path in stems:
        by_source[source].append(path)
    summed = {_source(path.name): found for path, found in (parts or {}).items()}
    versions = {
        source: ", ".join([*(path.name for path in paths), *([f"{source}/"] if source in summed else [])])
        for source, paths in by_source.items()
        if len(paths) > 1 or source in summed
    }
    return SongFiles(name, subset, place, summed | {s: tuple(paths) for s, paths in by_source.items()}, versions)


def _stem_file(path: Path, subset: str | None) -> SongFiles:
    return SongFiles(path.name[: -len(STEM_FILE)], subset, path, dict.fromkeys(STREAMS, (path,)))


def _source(name: str) -> str:
    name = spelt(name)
    return SPELLINGS.get(name, name)


def _parsed(stem: str, known: Sequence[str]) -> tuple[str, str] | None:
    """The song and the source of a file name, such as `Song_vocals`, `Song - Vocals` or `1_Song_(Vocals)_model`."""
    for source in known:  # the longest first
        text = re.escape(source)
        for pattern in (rf"(.+?)[\s_.-]*\({text}\).*", rf"(.+?)[\s_.-]+{text}"):
            if found := re.fullmatch(pattern, unicodedata.normalize("NFC", stem), re.IGNORECASE):
                return found[1], _source(source)
    return None


def plainly(name: str) -> str:
    """A song's name without what tools add: `.stem`, a file extension, and a leading number as in `1_Song`."""
    name = re.sub(r"\.stem(\.mp4)?$", "", spelt(name))
    for extension in EXTENSIONS:
        name = name.removesuffix(extension)
    return re.sub(r"^\d+_(?=.)", "", name)


def _loosely(name: str) -> str:
    """The same without what follows the last underscore, which may be a model's name as in `Song_umxl`."""
    return plainly(name).rpartition("_")[0] or plainly(name)


FORMS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (lambda name: unicodedata.normalize("NFC", name),) * 2,
    (spelt, spelt),
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
