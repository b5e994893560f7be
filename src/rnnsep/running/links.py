"""Links in `data/` to the user's files and folders, so that DVC tracks them.

DVC hashes what is behind a link like any dependency. It does not look into folders that are links themselves.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from rnnsep.params import ParamError
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
