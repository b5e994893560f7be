"""Which files are songs, and the folders to which their sources go."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from rnnsep.running.listing import composed, files_below, folder_name
from rnnsep.running.progress import warn
from rnnsep.signal.corpus import MIXTURE
from rnnsep.signal.streams import EXTENSIONS

MARK = '{"separated by": "rnnsep"'  # how the comment of every file that `rnnsep separate` writes begins


@dataclass(frozen=True)
class Outcome:
    """The result for an input: sources written to `folder`, kept there, or failed; `message` explains it."""

    path: Path
    folder: Path
    state: Literal["written", "kept", "failed"]
    message: str = ""


def places(inputs: Sequence[Path], output: Path) -> list[Outcome]:
    """Each song of `inputs` once, with the folder for its sources; failed at once if its name or place is impossible.

    Songs below a folder keep their place in the tree. A song has the name of its file, or of its folder if the file is
    called mixture. If names are equal, songs of other extensions get these too (song.wav, song.mp3), and songs of
    other folders are named by these.
    """
    songs: dict[Path, Outcome] = {}  # by what the path refers to
    for path in map(as_on_disk, inputs):
        if not path.is_dir():
            songs.setdefault(path.resolve(), Outcome(path, output / song_name(path), "written"))
            continue
        found = _songs_below(path)
        if not found:
            songs[path.resolve()] = Outcome(path, output, "failed", f"{path}: holds no audio file")
        for file in found:
            above = (file.parent if is_mixture(file) and file.parent != path else file).relative_to(path).parent
            songs.setdefault(file.resolve(), Outcome(file, output / above / song_name(file), "written"))
    placed = list(songs.values())
    together = Counter(song.path.parent for song in placed)
    for better in (_with_extension, partial(_by_folder, together)):
        number = Counter(song.folder for song in placed)
        placed = [replace(song, folder=better(song)) if number[song.folder] > 1 else song for song in placed]
    return _without_clashes(placed)


def song_name(path: Path) -> str:
    """The name of the file without its extension, or the name of its folder for a mixture, as in MUSDB18-HQ."""
    if is_mixture(path):
        return folder_name(path.parent) or MIXTURE
    name = path.stem
    if path.suffix.lower() in (".mp4", ".m4a") and name.lower().endswith(".stem"):
        name = name[: -len(".stem")]
    return name if name.strip(".") else path.name  # "..", the stem of "...wav", would be another folder


def is_mixture(path: Path) -> bool:
    """Whether the file is called mixture, in any case and of any format."""
    return path.stem.lower() == MIXTURE


def as_on_disk(path: Path) -> Path:
    """`path` with the spelling of the disk, if it exists there in another Unicode normalisation only."""
    if path.exists() or path.name in ("", ".."):
        return path
    parent, name = as_on_disk(path.parent), composed(path.name)
    if parent.is_dir():
        for other in parent.iterdir():
            if composed(other.name) == name:
                return other
    return path


def _songs_below(folder: Path) -> list[Path]:
    """The songs below a folder, without files that `rnnsep separate` wrote, and without the stems next to a mixture."""
    files = [path for path in files_below(folder) if path.suffix.lower() in EXTENSIONS and path.is_file()]
    mixed = {path.parent for path in files if is_mixture(path)}
    songs = [path for path in files if not _is_written(path)]
    found = [path for path in songs if path.parent not in mixed or is_mixture(path)]
    if stems := len(songs) - len(found):
        warn(f"{folder}: {stems} files next to a mixture are taken for its sources and are not separated")
    return found


def _is_written(path: Path) -> bool:
    return path.suffix in (".wav", ".flac") and is_utf8(path) and (mark_of(path) or "").startswith(MARK)


def mark_of(path: Path) -> str | None:
    """The comment of a sound file, empty if it has none or is no sound file; None if there is no file."""
    import soundfile

    if not path.exists():
        return None
    try:
        with soundfile.SoundFile(path) as file:
            return str(file.comment)
    except (soundfile.SoundFileError, TypeError):
        return ""


def is_utf8(path: Path) -> bool:
    """Whether the path can be written in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _with_extension(song: Outcome) -> Path:
    name = song_name(song.path)
    extension = song.path.suffix if is_mixture(song.path) else song.path.name.removeprefix(name)
    return song.folder.with_name(name + extension)


def _by_folder(together: Mapping[Path, int], song: Outcome) -> Path:
    """The folder of a song's file instead of its name, or in addition if other songs lie there too."""
    name = "" if together[song.path.parent] == 1 else song_name(song.path)
    return song.folder.parent / folder_name(song.path.parent) / name


def _without_clashes(songs: list[Outcome]) -> list[Outcome]:
    owners: dict[Path, Path] = {}
    checked = []
    for song in songs:
        owner, message = owners.setdefault(song.folder, song.path), song.message
        if song.state == "written" and owner != song.path:
            message = f"{song.path}: would go to {song.folder}, as {owner} does; give it another --output"
        elif not is_utf8(song.path):
            message = f"{str(song.path)!a}: the name is not UTF-8; rename the file"
        checked.append(replace(song, state="failed" if message else song.state, message=message))
    return checked
