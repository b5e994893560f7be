"""The tree of WAV files that every corpus becomes: `<subset>/<song>/{mixture,<source>...}.wav`."""

import hashlib
import math
import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from rnnsep.corpora.checks import (
    check_formats,
    difference,
    products,
    sum_of_others,
    warn_of_copies,
    warn_of_differences,
)
from rnnsep.corpora.original import Format, Original
from rnnsep.corpora.sources import Choice, Weights
from rnnsep.running.errors import UserError
from rnnsep.running.workers import parallel_map
from rnnsep.signal.audio import BLOCK, AudioFile
from rnnsep.signal.corpus import MIXTURE, Song
from rnnsep.signal.writing import write_wav

SCRATCH = ".unfinished"  # folder of the root in which songs are made before they are moved
LONGEST = 240  # bytes in a name, so that `<name>.json` is a possible file name too

Lengths = Literal["exact", "trim", "pad"]


def make_songs(originals: Sequence[Original], choice: Choice, root: Path, lengths: Lengths) -> tuple[Song, ...]:
    """Collect all songs into the tree under `root`, in parallel, and describe them.

    A song that is complete and newer than its files is left alone. Sums of stems are float WAV files, since they may
    exceed full scale. Warns of songs whose mixture differs from the sum of the sources.

    Raises `UserError` for a song that lacks a source, for a name that is no file name or stands for two songs, for a
    source that is the sum of others, and for faulty audio.
    """
    originals = sorted(originals, key=lambda original: (original.subset, original.name))
    for before, after in pairwise(originals):
        if before.title == after.title:
            raise UserError(f"{after.subset}: two songs are called {after.name!r}; rename one")
    for original in originals:
        _check_name(original.name)
        choice.components(original)
    check_formats({original.title: original.formats() for original in originals}, exact=lengths == "exact")
    warn_of_copies(originals)
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    unfinished = [original for original in originals if not _is_finished(original, choice.sources, root)]
    differences = parallel_map(partial(_make_song, choice, root, lengths), unfinished, "corpus")
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    warn_of_differences(dict(differences))
    return tuple(_described(original, root) for original in originals)


def _make_song(choice: Choice, root: Path, lengths: Lengths, original: Original) -> tuple[str, float]:
    """Make a song; returns its title and the difference of its mixture to the sum of its sources in dB."""
    scratch = root / SCRATCH / hashlib.sha256(original.title.encode()).hexdigest()
    stems, song = scratch / "stems", scratch / "song"
    song.mkdir(parents=True)
    components = choice.components(original)
    names = tuple(dict.fromkeys(name for weights in components.values() for name in weights))  # mixture first
    original.write(stems, names)
    _equalise(stems, names, "trim", original.padding)
    if lengths != "exact":
        _equalise(stems, names, lengths)
    check_formats({original.title: {name: _format(stems / f"{name}.wav") for name in names}}, exact=True)
    alone = [name for name, weights in components.items() if weights == {name: 1}]
    for name in components.keys() - alone:
        _write_sum(stems, components[name], names[0], song / f"{name}.wav")
    for name in alone:
        (stems / f"{name}.wav").replace(song / f"{name}.wav")
    with ExitStack() as stack:
        gram = products([stack.enter_context(AudioFile(song / f"{name}.wav")) for name in components])
    if (found := sum_of_others(gram[1:, 1:])) is not None:
        index, others = found
        raise UserError(
            f"{original.title}: {choice.sources[index]} equals {' + '.join(choice.sources[one] for one in others)};"
            " remove it, or name sources that do not overlap in corpus.sources"
        )
    folder = root / original.title
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    song.replace(folder)
    return original.title, difference(gram)


def _is_finished(original: Original, sources: Sequence[str], root: Path) -> bool:
    folder = root / original.title
    wanted = {f"{name}.wav" for name in (MIXTURE, *sources)}
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != wanted:
        return False
    made = folder.stat().st_mtime_ns
    return all(path.exists() and path.stat().st_mtime_ns <= made for path in original.paths)


def _described(original: Original, root: Path) -> Song:
    found = _format(root / original.title / f"{MIXTURE}.wav")
    return Song(original.name, original.subset, original.split, found.rate, found.nb_samples, found.nb_channels)


def _format(path: Path) -> Format:
    with AudioFile(path) as audio:
        return Format(audio.nb_samples, audio.nb_channels, audio.rate)


def _write_sum(folder: Path, weights: Weights, like: str, path: Path) -> None:
    """Write the weighted sum of stems in `folder` to `path`; silence like the stem `like` for a sum of none."""
    terms = {AudioFile(folder / f"{stem}.wav"): weight for stem, weight in (weights or {like: 0}).items()}
    first = next(iter(terms))
    starts = range(0, first.nb_samples, BLOCK)
    blocks = (sum(np.float32(w) * audio[at : at + BLOCK] for audio, w in terms.items()) for at in starts)
    write_wav(path, blocks, first.rate, "FLOAT")  # type: ignore[arg-type]  # no sum is 0


def _equalise(folder: Path, names: Collection[str], how: Literal["trim", "pad"], most: float = math.inf) -> None:
    """Trim files to the shortest or pad them to the longest, unless lengths differ by more than `most` samples."""
    counts = [_format(folder / f"{name}.wav").nb_samples for name in names]
    length = min(counts) if how == "trim" else max(counts)
    if not 0 < max(counts) - min(counts) <= most:
        return
    for name in names:
        audio = AudioFile(folder / f"{name}.wav")
        kept = min(audio.nb_samples, length)
        blocks = (audio[start : min(start + BLOCK, kept)] for start in range(0, kept, BLOCK))
        silence = np.zeros((length - kept, audio.nb_channels), np.float32)
        write_wav(audio.path, chain(blocks, [silence]), audio.rate, audio.subtype)


def _check_name(name: str) -> None:
    try:
        nb_bytes = len(name.encode())
    except UnicodeEncodeError:
        raise UserError(f"{name!r}: the name of a song must be UTF-8; rename it") from None
    if nb_bytes > LONGEST:
        raise UserError(f"{name[:40]}...: the name of a song may have {LONGEST} bytes, not {nb_bytes}; rename it")
