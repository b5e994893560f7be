"""The stage links: links in `data/` to what the user has elsewhere, so that DVC tracks it.

DVC hashes what is behind a link like any dependency. It does not look into folders that are links themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rnnsep.corpora.location import LocationParams, existing, songs_folder, sounds_path
from rnnsep.params import ParamError
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.listing import listed
from rnnsep.running.progress import warn

PACKAGED = Path(__file__).parents[1] / "models"


@dataclass(frozen=True)
class StartParams:
    """The key of section `training` that this stage reads."""

    start: str | None


def make_links(
    songs: Path, songs_record: Path, start: Path, start_record: Path, corpus: LocationParams, training: StartParams
) -> None:
    """Make `songs` a link to the user's songs or sounds, and `start` one to the model of `training.start`."""
    folder, sounds = songs_folder(corpus), sounds_path(corpus)
    make_link(folder or sounds, songs, songs_record, corpus.path if folder else corpus.synthetic.sounds)
    make_link(start_folder(training.start) if training.start else None, start, start_record, training.start)


def start_folder(name: str) -> Path:
    """The folder that `training.start` names: a folder, or that of a packaged model.

    Raises `ParamError` if there is none.
    """
    packaged = sorted(path.name for path in PACKAGED.iterdir() if path.is_dir())
    advice = f"give the folder of a model, or one of {', '.join(packaged)}"
    try:
        folder = existing("training.start", name, Path.is_dir, advice)
    except ParamError:
        if name not in packaged:
            raise
        folder = PACKAGED / name
    if folder.resolve() == Path("models").resolve():
        raise ParamError("training.start", f"DVC removes {folder} before it trains; copy the model to another folder")
    return folder


def make_link(target: Path | None, link: Path, record: Path, setting: str | None) -> None:
    """Make `link` a link to `target`, or a small file if that is None, and write `setting` to `record`.

    DVC follows the link but does not see where it points, so `setting` names the target as params.yaml does. Raises
    `UserError` if something else is at `link`.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.unlink(missing_ok=True)
        if target is None:
            files.write_text(link, "nothing is linked\n")
        else:
            link.symlink_to(target.resolve(), target_is_directory=target.is_dir())
    except OSError as error:
        raise UserError(f"{link}: cannot be replaced by a link ({error.strerror}); move it elsewhere") from None
    if target and target.is_dir() and (linked := list(_linked_folders(target))):
        warn(
            f"{target}: {', '.join(path.relative_to(target).as_posix() for path in linked)}: links to folders, in which"
            " DVC sees no changes; after a change run dvc repro --force --single-item download"
        )
    files.write_text(record, f"{setting}\n")


def _linked_folders(folder: Path, levels: int = 3) -> Iterator[Path]:
    """Linked folders on the first levels of `folder`, where subsets, songs and sources are."""
    for path in listed(folder):
        if path.is_symlink() and path.is_dir():
            yield path
        elif levels > 1 and path.is_dir():
            yield from _linked_folders(path, levels - 1)
