"""Checks of all songs of a corpus together, before and after they are made, each with one line that names the songs."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rnnsep.running.errors import UserError
from rnnsep.running.progress import warn

TOLERANCE = -20.0  # dB; larger differences of mixture and sum are reported; those of MUSDB18 (AAC) are -35 to -24 dB
PART = 1 << 16  # bytes of a file that are compared first


class Checked(Protocol):
    """A song as its corpus provides it (see `tree.Original`)."""

    @property
    def name(self) -> str: ...
    @property
    def subset(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def paths(self) -> Sequence[Path]: ...

    def formats(self) -> Mapping[str, tuple[int, int]]: ...


def title(song: Checked) -> str:
    return f"{song.subset}/{song.name}"


def check_formats(songs: Sequence[Checked], exact: bool) -> None:
    """Raise `UserError`, naming all songs, for stems that differ in channels, or in length if it must be `exact`, or
    that have more channels than can be scored."""
    unequal, mixed, surround = [], [], []
    for song in songs:
        formats = song.formats()
        if len({nb_samples for nb_samples, _ in formats.values()}) > 1:
            counts = ", ".join(f"{name} {nb_samples}" for name, (nb_samples, _) in formats.items())
            unequal.append(f"{title(song)} ({counts} samples)")
        channels = {nb_channels for _, nb_channels in formats.values()}
        if max(channels, default=0) > 2:
            surround.append(f"{title(song)} ({max(channels)} channels)")
        elif len(channels) > 1:
            counts = ", ".join(f"{name} {nb_channels}" for name, (_, nb_channels) in formats.items())
            mixed.append(f"{title(song)} ({counts} channels)")
    if surround:
        raise UserError(f"corpus: only mono and stereo can be scored; mix these songs down: {'; '.join(surround)}")
    if mixed:
        raise UserError(
            f"corpus: mono and stereo stems in {_songs(len(mixed))}; convert them to one of both: {'; '.join(mixed)}"
        )
    if unequal and exact:
        raise UserError(
            f"corpus: stems differ in length in {_songs(len(unequal))}; fix them, or set corpus.lengths to trim or pad:"
            f" {'; '.join(unequal)}"
        )


def warn_of_copies(songs: Iterable[Checked]) -> None:
    """Print a line with the songs of one split whose files are those of a song of another split."""
    known: dict[str, list[Checked]] = {}
    for song in songs:
        if song.paths:
            known.setdefault(_digest(song.paths, PART), []).append(song)
    copies = []
    for alike in known.values():
        if len({song.split for song in alike}) > 1:
            whole: dict[str, list[Checked]] = {}
            for song in alike:
                whole.setdefault(_digest(song.paths), []).append(song)
            copies += [same for same in whole.values() if len({song.split for song in same}) > 1]
    if copies:
        listed = "; ".join(" = ".join(map(title, same)) for same in copies)
        warn(f"the same audio is used for training and for scores, which are then too high: {listed}")


def warn_of_differences(differences: Mapping[str, float]) -> None:
    """Print a line with the songs whose mixture differs from the sum of their sources, and by how many dB."""
    those = {song: decibels for song, decibels in sorted(differences.items()) if decibels > TOLERANCE}
    if those:
        listed = "; ".join(f"{song} ({decibels:.1f} dB)" for song, decibels in those.items())
        warn(
            f"the mixture differs from the sum of the sources in {_songs(len(those))} (difference relative to the"
            f" mixture): {listed}"
        )


def _digest(paths: Sequence[Path], part: int | None = None) -> str:
    """A hash of files, or of their sizes and `part` bytes from the middle of each."""
    total = hashlib.sha256()
    for path in sorted(set(paths), key=lambda path: path.name):
        with open(path, "rb") as file:
            if part is None:
                total.update(hashlib.file_digest(file, "sha256").digest())
                continue
            size = path.stat().st_size
            file.seek(max(0, (size - part) // 2))
            total.update(size.to_bytes(8, "big") + file.read(part))
    return total.hexdigest()


def _songs(count: int) -> str:
    return f"{count} song{'s' * (count != 1)}"
