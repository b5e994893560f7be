"""Finished songs of earlier runs, which are used again while their files and the code are the same.

They are hard links to the songs of the corpus and take no space of their own as long as DVC has the same files. Where
the file system has no hard links, nothing is kept.
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
    """Songs that were finished under certain `settings`, in `folder`; without a folder there are none."""

    def __init__(self, folder: Path | None, settings: Sequence[object]):
        self.folder = folder
        self.settings = "" if folder is None else json.dumps([*map(repr, settings), files.digest(CODE)])
        self.used: set[str] = set()

    def key(self, song: object, paths: Sequence[Path]) -> str:
        """A name for `song`, another one when one of its files is not the same; empty if nothing is kept."""
        if self.folder is None:
            return ""
        stats = [path.stat() for path in paths]
        states = [(one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in stats]
        return hashlib.sha256(json.dumps([self.settings, repr(song), states]).encode()).hexdigest()

    def restore(self, key: str, target: Path) -> float | None:
        """Put a finished song at `target` and return the number that was kept with it; None if there is none."""
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
        """Keep the folder `song`."""
        if self.folder is None or not key:
            return
        shutil.rmtree(self.folder / key, ignore_errors=True)
        try:
            shutil.copytree(song, self.folder / key / "song", copy_function=os.link)
        except OSError:  # no hard links
            shutil.rmtree(self.folder / key, ignore_errors=True)
            return
        files.write_text(self.folder / key / "number", repr(number))  # last: now it is whole

    def forget_others(self) -> None:
        """Remove the songs that were not asked for."""
        if self.folder is not None and self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name not in self.used:
                    shutil.rmtree(path, ignore_errors=True)
