"""The tree of WAV files that every corpus becomes: `<subset>/<song>/{mixture,<source>...}.wav`."""

import hashlib
import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from rnnsep.corpora import checks
from rnnsep.corpora.original import Format, Original
from rnnsep.corpora.sources import Choice, Weights
from rnnsep.running.errors import UserError
from rnnsep.running.workers import parallel_map
from rnnsep.signal.audio import BLOCK, AudioFile
from rnnsep.signal.corpus import MIXTURE, Song
from rnnsep.signal.writing import write_wav

SCRATCH = ".unfinished"  # folder of the root in which songs are made before they are moved
LONGEST = 240  # bytes in a name, so that `<name>.json` is a possible file name too


def make_songs(originals: Sequence[Original], choice: Choice, root: Path) -> tuple[Song, ...]:
    """Collect all songs into the tree under `root`, in parallel, and describe them.

    Finished songs are kept. Sums of stems are float WAV files, since they may exceed full scale. Shorter stems are
    padded with silence, with a warning. Warns of songs whose mixture differs from the sum of the sources.

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
    formats = {original.title: original.formats() for original in originals}
    checks.check_formats(formats)
    checks.warn_of_lengths(formats)
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    unfinished = [original for original in originals if not (root / original.title).is_dir()]
    differences = parallel_map(partial(_make_song, choice, root), unfinished, "corpus")
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    checks.warn_of_differences(dict(differences))
    return tuple(
        Song(one.name, one.subset, one.split, **_format(root / one.title / f"{MIXTURE}.wav")._asdict())
        for one in originals
    )


def _make_song(choice: Choice, root: Path, original: Original) -> tuple[str, float]:
    """Make a song; returns its title and the difference of its mixture to the sum of its sources in dB."""
    scratch = root / SCRATCH / hashlib.sha256(original.title.encode()).hexdigest()
    stems, song = scratch / "stems", scratch / "song"
    song.mkdir(parents=True)
    components = choice.components(original)
    names = tuple(dict.fromkeys(name for weights in components.values() for name in weights))  # mixture first
    original.write(stems, names)
    checks.check_formats({original.title: {name: _format(stems / f"{name}.wav") for name in names}})
    _pad(stems, names)
    alone = [name for name, weights in components.items() if weights == {name: 1}]
    for name in components.keys() - alone:
        _write_sum(stems, components[name], names[0], song / f"{name}.wav")
    for name in alone:
        (stems / f"{name}.wav").replace(song / f"{name}.wav")
    with ExitStack() as stack:
        gram = checks.products([stack.enter_context(AudioFile(song / f"{name}.wav")) for name in components])
    if (found := checks.sum_of_others(gram[1:, 1:])) is not None:
        index, others = found
        raise UserError(
            f"{original.title}: {choice.sources[index]} equals {' + '.join(choice.sources[one] for one in others)};"
            " remove it, or name sources that do not overlap in corpus.sources"
        )
    folder = root / original.title
    folder.parent.mkdir(exist_ok=True)
    song.replace(folder)
    return original.title, checks.difference(gram)


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


def _pad(folder: Path, names: Collection[str]) -> None:
    """Pad files with silence to the length of the longest one."""
    stems = [AudioFile(folder / f"{name}.wav") for name in names]
    longest = max(stem.nb_samples for stem in stems)
    for stem in stems:
        if stem.nb_samples < longest:
            blocks = (stem[start : start + BLOCK] for start in range(0, stem.nb_samples, BLOCK))
            silence = np.zeros((longest - stem.nb_samples, stem.nb_channels), np.float32)
            write_wav(stem.path, chain(blocks, [silence]), stem.rate, stem.subtype)


def _check_name(name: str) -> None:
    try:
        nb_bytes = len(name.encode())
    except UnicodeEncodeError:
        raise UserError(f"{name!r}: the name of a song must be UTF-8; rename it") from None
    if nb_bytes > LONGEST:
        raise UserError(f"{name[:40]}...: the name of a song may have {LONGEST} bytes, not {nb_bytes}; rename it")
