"""Links in `data/` to the user's files and folders, through which DVC sees their content.

DVC hashes what is behind a link like any dependency. It does not look into folders that are links themselves.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.listing import listed
from rnnsep.running.progress import warn


def workspace() -> Path:
    """The repository, also for an experiment that runs in a copy of it, below `.dvc/tmp/exps`."""
    here = Path.cwd()
    for folder in here.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return here


def user_path(path: str) -> Path:
    """A path in params.yaml as an absolute one.

    `~` is a home folder. A relative path starts at the repository, for an experiment in a copy of it at the original.
    """
    with suppress(RuntimeError):  # an unknown ~user
        return workspace() / Path(path).expanduser()
    return Path(path)


def is_kind(path: Path, kind: Callable[[Path], bool]) -> bool:
    """`kind(path)`; False for a path that no file can have."""
    try:
        return kind(path)
    except (OSError, ValueError):  # a name that is too long or holds a null byte
        return False


def make_link(target: Path | None, link: Path, record: Path, text: str) -> None:
    """Make `link` a link to `target`, or a small file if that is None, and write `text` to `record`.

    DVC follows the link but does not see where it points, so `text` names the target as params.yaml does. Raises
    `UserError` if something else is at `link`.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.unlink(missing_ok=True)
        if target is None:
            files.write_text(link, "no link\n")
        else:
            link.symlink_to(target.resolve(), target_is_directory=target.is_dir())
    except OSError as error:
        raise UserError(f"{link}: cannot be replaced by a link ({error.strerror}); move it elsewhere") from None
    if target is not None and target.is_dir() and (linked := _linked_folders(target)):
        warn(
            f"{target}: {', '.join(linked)}: links to folders, in which DVC sees no changes; after a change run"
            " dvc repro --force --single-item with the stage that reads them"
        )
    files.write_text(record, f"{text}\n")


def _linked_folders(folder: Path) -> list[str]:
    """Linked folders on the first two levels of `folder`, where subsets and songs are."""
    places = [path for path in listed(folder) if path.is_dir()]
    places += [path for place in places if not place.is_symlink() for path in listed(place) if path.is_dir()]
    return [path.relative_to(folder).as_posix() for path in places if path.is_symlink()]
