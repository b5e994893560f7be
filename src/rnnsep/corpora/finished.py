"""Cache of the songs that earlier runs finished, for songs whose files, settings and code are the same.

Its files are hard links to the songs of the corpus, which take no space of their own as long as DVC has the same files.
Where the file system has no hard links, nothing is kept.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from rnnsep.running import files

CODE = [Path(__file__).resolve().parents[1] / name for name in ("corpora", "running", "signal", "params.py")]


class Finished:
    """Cache of songs that were finished with `settings`; disabled if `folder` is None."""

    def __init__(self, folder: Path | None, settings: Sequence[object]):
        self.folder = folder
        self.settings = "" if folder is None else json.dumps([*map(repr, settings), files.digest(CODE)])
        self.used: set[str] = set()

    def key(self, song: object, paths: Sequence[Path]) -> str:
        """Cache key of `song`, which changes with its files; empty if the cache is disabled."""
        if self.folder is None:
            return ""
        stats = [path.stat() for path in paths]
        states = [(one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in stats]
        return hashlib.sha256(json.dumps([self.settings, repr(song), states]).encode()).hexdigest()

    def restore(self, key: str, target: Path) -> float | None:
        """Put a cached song at `target`; returns the number that was kept with it, None if there is no such song."""
        if self.folder is None or not key:
            return None
        self.used.add(key)
        try:
            number = float((self.folder / key / "number").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.folder / key / "song", target, copy_function=os.link)
        return number

    def keep(self, key: str, song: Path, number: float) -> None:
        """Keep the folder `song` and a number."""
        if self.folder is None or not key:
            return
        shutil.rmtree(self.folder / key, ignore_errors=True)
        try:
            shutil.copytree(song, self.folder / key / "song", copy_function=os.link)
        except OSError:  # no hard links
            shutil.rmtree(self.folder / key, ignore_errors=True)
            return
        files.write_text(self.folder / key / "number", repr(number))  # last: the entry is complete

    def forget_others(self) -> None:
        """Remove the songs that were not asked for."""
        if self.folder is not None and self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name not in self.used:
                    shutil.rmtree(path, ignore_errors=True)
