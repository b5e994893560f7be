"""A user's own songs to their sources: any audio file to files, or an array to arrays.

`rnnsep separate` is `separate_files`. A song goes to a folder of its name, one file per source. The comment of each
file says from what and how it was made. So what is done is known without any record beside it, and a file that was
made otherwise is neither taken for done nor replaced without being asked to.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import ArrayLike, NDArray

from rnnsep.params import parse
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.progress import Progress
from rnnsep.running.workers import map_songs
from rnnsep.separation import filters
from rnnsep.separation.blocks import SeparationParams, Separator, _model, separate
from rnnsep.signal.audio import AudioFile, _remove_date, decode

RESIDUAL = "residual"
BITS = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}
BLOCK = 60.0  # s that the network sees at a time
RATES = (100, 1_000_000)  # Hz
LARGEST_WAV = 2**32 - 2**16  # bytes of samples; RF64 holds more
PACKAGED = Path(str(resources.files("rnnsep"))) / "models"  # where the model is that comes with the package
MARK = '{"separated by": "rnnsep"'  # how the comment of every file written here begins

# Files in a folder that are taken for songs. A file that is named itself may have any ending.
ENDINGS = frozenset(
    [
        *(".3gp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".avi", ".caf", ".dts", ".eac3"),
        *(".flac", ".flv", ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpc", ".mpeg"),
        *(".mpg", ".mts", ".oga", ".ogg", ".ogv", ".opus", ".rf64", ".ts", ".tta", ".vob", ".w64", ".wav", ".webm"),
        *(".wma", ".wmv", ".wv"),
    ]
)


# Arrays


def separate_audio(
    audio: ArrayLike,
    rate: int,
    model: Path | str | Separator | None = None,
    filter: filters.Name = "mask",  # noqa: A002  # as in params.yaml
    temperature: float = 1.0,
) -> dict[str, NDArray[np.float32]]:
    """
    The sources of `audio`, floats (nb_samples,) or (nb_samples, nb_channels) at `rate` (Hz), each of its shape.

    >>> estimates = separate_audio(audio, 44100)
    >>> estimates["vocals"].shape == audio.shape
    True

    `model` is the folder of a trained model, None for the one that `find_model` finds, or a loaded one
    (`learning.model.load_model`), which saves time over many songs. `filter` and `temperature` are those of section
    `separation` in params.yaml. Raises `UserError` where there is no model or an option is impossible, ValueError for
    audio of another form.
    """
    from rnnsep.network.model import load_model as load  # here, since TensorFlow takes seconds to import

    params, given = _params(filter, temperature), np.asarray(audio)
    if given.dtype.kind != "f" or given.ndim not in (1, 2) or given.size == 0 or not np.isfinite(given).all():
        raise ValueError(f"audio must be finite floats (nb_samples, nb_channels), not {given.dtype} {given.shape}")
    mixture = given.astype(np.float32).reshape(len(given), -1)
    if mixture.shape[1] > len(mixture) > 1:
        raise ValueError(f"audio must be (nb_samples, nb_channels), but is {given.shape}; transpose it")
    separator = load(find_model(model)) if model is None or isinstance(model, Path | str) else model
    blocks = separate(mixture, rate, separator, params)
    # (nb_sources, nb_samples, nb_channels) -> the same, or (nb_sources, nb_samples)
    estimates = np.concatenate(list(blocks), axis=1).reshape(-1, *given.shape)
    return dict(zip(separator.sources, estimates, strict=True))


def _params(filter: filters.Name, temperature: float) -> SeparationParams:  # noqa: A002  # as in params.yaml
    return parse(SeparationParams, {"filter": filter, "temperature": temperature, "block": BLOCK})


def find_model(given: Path | str | None) -> Path:
    """The folder of the model to use: `given`, else models/ of the pipeline, else one that the package brings."""
    if given is not None:
        return Path(given)
    for folder in (Path("models"), PACKAGED):
        if (folder / "model.json").is_file():
            return folder
    raise UserError("models: holds no trained model; run dvc repro, or give the folder of one with --model")


# Files


@dataclass(frozen=True)
class Options:
    """Which sources are written (none for all), how masks are applied, and what the files are like.

    Raises `UserError` for a value or a combination that does not exist.
    """

    sources: tuple[str, ...]
    filter: filters.Name
    temperature: float
    format: Literal["wav", "flac"]
    subtype: Literal["PCM_16", "PCM_24", "FLOAT"]
    residual: bool
    overwrite: bool

    def __post_init__(self) -> None:
        _params(self.filter, self.temperature)
        if self.format == "flac" and self.subtype == "FLOAT":
            raise UserError("flac holds no floating point; give --subtype PCM_24, or --format wav")
        if self.residual and self.subtype == "FLOAT":
            raise UserError("a residual is exact to the last bit, which floating point lacks; give --subtype PCM_24")


@dataclass(frozen=True)
class Outcome:
    """What becomes of an input: its sources are written or kept as they were, or it failed, with a line that says why.

    `folder` is where its sources are.
    """

    path: Path
    folder: Path
    state: Literal["written", "kept", "failed"]
    message: str = ""


@dataclass(frozen=True)
class Model:
    """A model before it is loaded: its folder, its sources, and a digest of its files."""

    folder: Path
    sources: tuple[str, ...]
    digest: str

    @classmethod
    def described(cls, folder: Path) -> "Model":
        """Raises `UserError` where the folder holds no model."""
        try:
            description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            paths = [folder / "model.json", folder / "model.weights.h5"]
            further = sorted(set(folder.glob("*.weights.h5")) - set(paths))  # of networks beside the first
            digest = "-".join(_digest(path)[:32] for path in [*paths, *further])
            return cls(folder, tuple(map(str, description["sources"])), digest)
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}; run dvc repro to train a model") from None
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{folder / 'model.json'}: not the description of a model; run dvc repro") from None


def separate_files(inputs: Sequence[Path], folder: Path, models: Path, options: Options) -> list[Outcome]:
    """
    Separate the files of `inputs`, and of folders among them, into `folder`/<song>/<source>.<format>.

    What stands there already, made of the same song in the same way, is kept. Below a folder, songs keep their
    place in the tree, and files that this function wrote are left out. A file that cannot be separated does not
    stop the others. Raises `UserError` where none can be: no such model, no such source.
    """
    model = Model.described(models)
    for source in options.sources:
        if source not in model.sources:
            raise UserError(f"{model.folder}: separates {', '.join(model.sources)}, but not {source}")
    if options.residual and RESIDUAL in model.sources:
        raise UserError(f"{model.folder}: separates a source of the name {RESIDUAL} itself; leave --residual out")
    return map_songs(partial(_attempt, model, options), _places(inputs, folder), "separate")


def _places(inputs: Sequence[Path], folder: Path) -> list[Outcome]:
    """Every file once, with the folder for its sources; failed at once where that is another's."""
    songs: dict[Path, Outcome] = {}
    owners: dict[Path, Path] = {}
    for path in inputs:
        found = _listed(path) if path.is_dir() else [path]
        if not found:
            songs[path.resolve()] = Outcome(path, folder, "failed", f"{path}: holds no audio file")
        for file in found:
            if file.resolve() in songs:
                continue
            place = folder / (file.relative_to(path).parent if path.is_dir() else "") / file.stem
            owner = owners.setdefault(place, file)
            clash = f"{file}: would go to {place}, as {owner} does; give it an --output of its own"
            songs[file.resolve()] = Outcome(file, place, "written") if owner is file else Outcome(
                file, place, "failed", clash
            )  # fmt: skip
    return list(songs.values())


def _listed(folder: Path) -> list[Path]:
    """The songs below a folder, hidden ones and those written by `separate_files` left out."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in ENDINGS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
        and not (path.suffix in (".wav", ".flac") and (_mark(path) or "").startswith(MARK))
    ]


def _attempt(model: Model, options: Options, song: Outcome) -> Outcome:
    if song.state == "failed":
        return song
    try:
        return replace(song, state=_separate_file(model, options, song.path, song.folder))
    except UserError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or song.folder}: {error.strerror}"
    except soundfile.SoundFileError as error:
        message = f"{song.folder}: cannot be written: {' '.join(str(error).split())} Is the disk full?"
    return replace(song, state="failed", message=message)


def _separate_file(model: Model, options: Options, path: Path, folder: Path) -> Literal["written", "kept"]:
    if not path.is_file():
        raise UserError(f"{path}: {'is no file' if path.exists() else 'no such file or folder'}")
    sources = [source for source in model.sources if source in (options.sources or model.sources)]
    names = [*sources, RESIDUAL] if options.residual else sources
    targets = [folder / f"{name}.{options.format}" for name in names]
    how = {"filter": options.filter, "temperature": options.temperature, "subtype": options.subtype}
    made = {"song": _digest(path), "model": model.digest, **how}
    mark = f"{MARK}, {json.dumps(made | ({'parts': names} if options.residual else {}))[1:]}"
    if not options.overwrite:
        marks = [_mark(target) for target in targets]
        if all(found == mark for found in marks):
            return "kept"
        for target, found in zip(targets, marks, strict=True):
            if found not in (None, mark):
                raise UserError(f"{target}: is of another song or was made otherwise; --overwrite replaces it")
    with open_audio(path) as mixture:
        if options.format == "flac" and mixture.shape[1] > 8:
            raise UserError(f"{path}: flac holds 8 channels at most, not {mixture.shape[1]}; give --format wav")
        _write(_model(model.folder), mixture, sources, targets, mark, options)
    return "written"


def _write(
    model: Separator,
    mixture: "AudioFile | Decoded",
    sources: list[str],
    targets: list[Path],
    mark: str,
    options: Options,
) -> None:
    """Write the estimates of `sources`, and after them the residual if asked for, block by block, all files at once."""
    chosen = [model.sources.index(source) for source in sources]
    bits = BITS[options.subtype]
    with ExitStack() as stack:
        again = copy(mixture)  # for the residual; opened when first read
        stack.callback(again.close)
        sinks = [stack.enter_context(_sink(target, mixture, mark, options)) for target in targets]
        progress = stack.enter_context(_seconds(mixture)) if multiprocessing.parent_process() is None else None
        position, params = 0, _params(options.filter, options.temperature)
        for block in separate(mixture, mixture.rate, model, params):
            stop = position + block.shape[1]
            parts = steps(block[chosen], bits)
            if options.residual:
                parts = with_residual(steps(again[position:stop], bits), parts, bits)
            for sink, part in zip(sinks, parts, strict=True):
                sink.write(part << (32 - bits) if bits < 32 else part)  # libsndfile keeps the upper bits
            if progress is not None:
                for _ in range(position // mixture.rate, stop // mixture.rate):
                    progress.advance()
            position = stop


def steps(audio: NDArray[np.float32], bits: int) -> NDArray[Any]:
    """`audio` rounded to int32 steps of 2**(1 - bits) and clipped; unchanged for the 32 bits of a float."""
    if bits == 32:
        return audio
    full = np.float32(1 << (bits - 1))
    return np.clip(np.rint(audio * full), -full, full - 1).astype(np.int32)


def with_residual(mixture: NDArray[np.int32], estimates: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """
    `estimates` (nb_sources, nb, nb_channels), and after them what is left of `mixture` (nb, nb_channels).

    All are steps of `bits` bits, and sum to the mixture exactly. Where the residual is too large for the format,
    the first estimates that can take over what is too much do so.
    """
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    left = mixture.astype(np.int64) - estimates.sum(axis=0, dtype=np.int64)
    residual = left.clip(low, high)
    excess = left - residual
    parts = estimates.astype(np.int64)
    for part in parts if excess.any() else ():
        more = (part + excess).clip(low, high) - part
        part += more
        excess -= more
    return np.concatenate([parts, residual[None]]).astype(np.int32)


@contextmanager
def _sink(path: Path, like: "AudioFile | Decoded", mark: str, options: Options) -> Iterator[soundfile.SoundFile]:
    """A file to write blocks to, whole or not at all, with the rate, channels and length of `like`."""
    nb_samples, nb_channels = like.shape
    large = nb_samples * nb_channels * BITS[options.subtype] // 8 > LARGEST_WAV
    kind = "FLAC" if options.format == "flac" else "RF64" if large else "WAV"
    with files.whole(path) as temporary:
        with soundfile.SoundFile(temporary, "w", like.rate, nb_channels, options.subtype, format=kind) as file:
            file.comment = mark
            yield file
        if options.subtype == "FLOAT":
            _remove_date(temporary)


def _seconds(mixture: "AudioFile | Decoded") -> Progress:
    """Progress over the seconds of a song, for a terminal."""
    return Progress(mixture.path.name, mixture.shape[0] // mixture.rate, lines=False)


def _mark(path: Path) -> str | None:
    """The comment of a sound file, empty where it is none or has none; None where there is no file."""
    if not path.exists():
        return None
    try:
        with soundfile.SoundFile(path) as file:
            return str(file.comment)
    except (soundfile.SoundFileError, TypeError):
        return ""


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Reading


def open_audio(path: Path) -> "AudioFile | Decoded":
    """The audio of any file, to be read in slices. Raises `UserError` where it has none or is damaged."""
    with open(path, "rb") as file:
        seekable = file.read(4) in (b"RIFF", b"RF64", b"fLaC", b"FORM", b"riff")
    try:
        direct = seekable and bool(soundfile.info(path).frames)
    except (soundfile.SoundFileError, TypeError):
        direct = False  # such as avi
    audio = AudioFile(path) if direct else Decoded.measured(path)
    if not RATES[0] <= audio.rate <= RATES[1]:
        raise UserError(f"{path}: has a rate of {audio.rate} Hz; from {RATES[0]} to {RATES[1]} Hz can be separated")
    return audio


class Decoded:
    """
    The first audio stream of any container, (nb_samples, nb_channels), to be read in slices that move forwards.

    It is decoded once to be measured and once to be read, and no more of it is held than a slice. A slice that
    begins before the one read last makes it start anew.
    """

    def __init__(self, path: Path, rate: int, shape: tuple[int, int]):
        self.path, self.rate, self.shape = path, rate, shape
        self._blocks: Iterator[NDArray[np.float32]] | None = None
        self._held = np.zeros((0, shape[1]), np.float32)
        self._begin = 0  # of what is held

    @classmethod
    def measured(cls, path: Path) -> "Decoded":
        """Raises `UserError` where the file is no audio, damaged or empty, or its channels change on the way."""
        rate, blocks = decode(path)
        nb_samples = nb_channels = 0
        for block in blocks:
            if nb_samples and block.shape[1] != nb_channels:
                raise UserError(f"{path}: changes from {nb_channels} to {block.shape[1]} channels; convert it first")
            nb_samples, nb_channels = nb_samples + len(block), block.shape[1]
        if nb_samples == 0:
            raise UserError(f"{path}: empty: holds no samples")
        return cls(path, rate, (nb_samples, nb_channels))

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        start, stop, _ = part.indices(self.shape[0])
        if stop <= start:
            return np.zeros((0, self.shape[1]), np.float32)
        if self._blocks is None or start < self._begin:
            self.close()
            self._blocks = decode(self.path)[1]
        parts, end = [self._held[start - self._begin :]], self._begin + len(self._held)
        while end < stop:
            block = next(self._blocks, None)
            if block is None or block.shape[1] != self.shape[1]:
                raise UserError(f"{self.path}: was changed while it was read; run again")
            parts.append(block[max(0, start - end) :])
            end += len(block)
        self._held, self._begin = np.concatenate(parts), start
        return self._held[: stop - start]

    def close(self) -> None:
        self._blocks, self._held, self._begin = None, self._held[:0], 0

    def __enter__(self) -> "Decoded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __copy__(self) -> "Decoded":
        return Decoded(self.path, self.rate, self.shape)
