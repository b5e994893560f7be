"""Separation of the user's own songs: audio files of any format to files.

A song goes to a folder with its name, one file per source. The comment of each file says from what and how it was made.
So a repeated run keeps finished files, and a file that was made in another way is only replaced on request.
"""

import json
import multiprocessing
from collections.abc import Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from rnnsep.app.arrays import RATES, loaded, separation_params
from rnnsep.app.places import MARK, Outcome, mark_of, places
from rnnsep.network.model import Model, model_digest
from rnnsep.running.errors import UserError, failure
from rnnsep.running.files import file_digest, remove_partial
from rnnsep.running.progress import Progress
from rnnsep.running.workers import parallel_map
from rnnsep.separation import filters
from rnnsep.separation.blocks import separate
from rnnsep.signal.audio import Stream
from rnnsep.signal.streams import open_audio
from rnnsep.signal.writing import audio_sink

RESIDUAL = "residual"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which sources are written (none: all), the post-filter, and the format of the files.

    Raises `UserError` for an impossible value or combination.
    """

    sources: tuple[str, ...]
    filter: filters.Name
    temperature: float
    format: Literal["wav", "flac"]
    subtype: Literal["PCM_16", "PCM_24", "FLOAT"]
    residual: bool
    overwrite: bool

    def __post_init__(self) -> None:
        separation_params(self.filter, self.temperature)
        if self.format == "flac" and self.subtype == "FLOAT":
            raise UserError("FLAC has no floating point; use --subtype PCM_24 or --format wav")


def separate_files(inputs: Sequence[Path], folder: Path, models: Path, options: Options) -> list[Outcome]:
    """Separate the files of `inputs`, and of folders among them, into `folder`/<song>/<source>.<format>.

    Finished songs are kept. A file that cannot be separated does not stop the others. Raises `UserError` if there is
    no such model or no such source.
    """
    digest = model_digest(models)
    known = loaded(models, digest).sources
    for source in options.sources:
        if source not in known:
            raise UserError(f"{models}: separates {', '.join(known)}, but not {source}")
    if options.residual and RESIDUAL in known:
        raise UserError(f"{models}: separates a source called {RESIDUAL}; omit --residual")
    songs = places(inputs, folder)
    try:
        return parallel_map(partial(_attempt, models, digest, options), songs, "separate")
    except BaseException:  # killed or interrupted workers leave half a file
        for song in songs:
            remove_partial(song.folder)
        raise


def _attempt(models: Path, digest: str, options: Options, song: Outcome) -> Outcome:
    if song.state == "failed":
        return song
    try:
        return _separate_file(models, digest, options, song)
    except (UserError, OSError, soundfile.SoundFileError) as error:
        return replace(song, state="failed", message=failure(error, song.folder))


def _separate_file(models: Path, digest: str, options: Options, song: Outcome) -> Outcome:
    path = song.path
    if not path.is_file():
        raise UserError(f"{path}: {'is not a file' if path.exists() else 'no such file or folder'}")
    model = loaded(models, digest)
    sources = [source for source in model.sources if source in (options.sources or model.sources)]
    names = [*sources, RESIDUAL] if options.residual else sources
    targets = [song.folder / f"{name}.{options.format}" for name in names]
    how = {"filter": options.filter, "temperature": options.temperature, "subtype": options.subtype}
    made = {"song": file_digest(path), "model": digest, **how}
    mark = f"{MARK}, {json.dumps(made | ({'parts': names} if options.residual else {}))[1:]}"
    if not options.overwrite:
        marks = [mark_of(target) for target in targets]
        if all(found == mark for found in marks):
            return replace(song, state="kept")
        for target, found in zip(targets, marks, strict=True):
            if found not in (None, mark):
                raise UserError(f"{target}: is of another song or other options; --overwrite replaces it")
    with open_audio(path) as mixture:
        if not RATES[0] <= mixture.rate <= RATES[1]:
            raise UserError(f"{path}: the rate is {mixture.rate} Hz; {RATES[0]} to {RATES[1]} Hz can be separated")
        if options.format == "flac" and mixture.shape[1] > 8:
            raise UserError(f"{path}: FLAC holds at most 8 channels, not {mixture.shape[1]}; use --format wav")
        peaks = _write(model, mixture, sources, targets, mark, options)
        warnings = [mixture.warning] if mixture.warning else []
    clipped = [f"{name} ({20 * np.log10(peak):+.1f} dB)" for name, peak in peaks.items() if peak > 1]
    if clipped and options.subtype != "FLOAT":
        warnings.append(f"{path}: above full scale and clipped: {', '.join(clipped)}; use --subtype FLOAT")
    return replace(song, message="; ".join(warnings))


def _write(
    model: Model, mixture: Stream, sources: list[str], targets: list[Path], mark: str, options: Options
) -> dict[str, float]:
    """Write the estimates of `sources`, and the residual after them if requested, and return their peaks by name.

    All files are written block by block at the same time.
    """
    chosen = [model.sources.index(source) for source in sources]
    nb_samples, nb_channels = mixture.shape
    form = options.subtype, options.format.upper(), mark, nb_samples
    peaks = np.zeros(len(targets))
    with ExitStack() as stack:
        again = copy(mixture)  # for the residual; opened when first read
        stack.callback(again.close)
        sinks = [stack.enter_context(audio_sink(path, mixture.rate, nb_channels, *form)) for path in targets]
        progress = None
        if multiprocessing.parent_process() is None:
            progress = stack.enter_context(Progress(mixture.path.name, nb_samples // mixture.rate, lines=False))
        position, params = 0, separation_params(options.filter, options.temperature)
        for block in separate(mixture, mixture.rate, model, params):
            stop = position + block.shape[1]
            parts = block[chosen]
            if options.residual:
                parts = np.concatenate([parts, (again[position:stop] - parts.sum(axis=0))[None]])
            peaks = np.maximum(peaks, np.abs(parts).max(axis=(1, 2), initial=0))
            for sink, part in zip(sinks, parts, strict=True):
                sink.write(part)
            if progress is not None:
                for _ in range(position // mixture.rate, stop // mixture.rate):
                    progress.advance()
            position = stop
    return dict(zip((path.stem for path in targets), peaks.tolist(), strict=True))
