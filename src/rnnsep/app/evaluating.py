"""Scores of estimates in any folders, or in memory, without the pipeline."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnsep.params import parse, read_yaml
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.listing import listed
from rnnsep.running.progress import warn
from rnnsep.running.workers import parallel_map
from rnnsep.scoring.song_scores import EvaluationParams, evaluate_song
from rnnsep.signal.corpus import MIXTURE
from rnnsep.signal.decoding import decode
from rnnsep.signal.sigsep import musdb, sixteen_bits
from rnnsep.signal.streams import ENDINGS, Audio, Decoded, WithChannels, open_audio
from rnnsep.tables import reading, sheets, statistics

SUBSETS = ("train", "valid", "test")
STREAMS = (MIXTURE, "drums", "bass", "other", "vocals")  # of a .stem.mp4
STEM_FILE = ".stem.mp4"
SETTINGS = ".evaluation.json"  # hidden, so that it is not taken for scores


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What is scored, and how; `window` and `hop` in s. Empty `songs` and `targets` stand for all."""

    window: float = 1.0
    hop: float = 1.0
    version: Literal["v4", "v3", "v2"] = "v4"
    subset: Literal["train", "test"] | None = None
    split: Literal["train", "valid", "test"] | None = None
    songs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    accompaniment: bool = False

    @property
    def params(self) -> EvaluationParams:
        """Raises `ParamError` for an impossible value."""
        given = {"engine": "fast", "window": self.window, "hop": self.hop, "version": self.version, "split": "test"}
        return parse(EvaluationParams, given)


@dataclass(frozen=True)
class SongFiles:
    """A song on disk: files by source name, or a `.stem.mp4`."""

    name: str
    subset: str
    stems: Mapping[str, Path]

    def open(self, source: str, stack: ExitStack, warnings: list[str]) -> tuple[Audio, int]:
        """A source as a stream and its rate in Hz; adds a line on a damaged file to `warnings`.

        Stems of a `.stem.mp4` are rounded to 16 bits, as by musdb.
        """
        path = self.stems[source]
        if path.name.endswith(STEM_FILE):
            index = STREAMS.index(source)
            rate, blocks = decode(path, index, warnings.append)
            return sixteen_bits(np.concatenate(list(blocks))), rate
        audio = open_audio(path)
        stack.callback(audio.close)
        if isinstance(audio, Decoded) and audio.warning:
            warnings.append(audio.warning)
        return audio, audio.rate


@dataclass(frozen=True)
class Outcome:
    """The result for a song: scored, kept from an earlier run, or failed; `messages` are one line each."""

    song: str
    state: Literal["scored", "kept", "failed"]
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Scores of one song: `frames` in long form, `medians` over frames, and museval's `json`."""

    frames: pd.DataFrame
    medians: pd.DataFrame
    json: str


def evaluate(
    references: Mapping[str, ArrayLike] | Path | str,
    estimates: Mapping[str, ArrayLike] | Path | str,
    rate: int | None = None,
    window: float = 1.0,
    hop: float = 1.0,
    version: Literal["v4", "v3", "v2"] = "v4",
) -> Evaluation:
    """
    Scores of a song's `estimates` against its `references`: BSSEval with museval's numbers, uSDR and SI-SDR.

    Both map source names to arrays (nb_samples,) or (nb_samples, nb_channels) at `rate` (Hz), or are the folders of a
    song with a file per source. `window` and `hop` are in s. With versions v3 and v2, the mixture is the sum of the
    references.

    >>> scores = evaluate({"vocals": v, "rest": r}, {"vocals": v_hat, "rest": r_hat}, 44100)
    >>> scores.medians.query("metric == 'SDR'")

    Frames with a silent source score NaN, where museval raises. Raises `UserError` if an estimate is missing,
    ValueError for arrays that do not match.
    """
    params = EvaluationOptions(window=window, hop=hop, version=version).params
    with ExitStack() as stack:
        signals: list[Mapping[str, Any]] = []
        rates, found = {rate} - {None}, list[str]()
        for given in (references, estimates):
            if isinstance(given, Mapping):
                signals.append({name: _columns(audio) for name, audio in given.items()})
                continue
            song = _song(Path(given), "test")
            opened = {source: song.open(source, stack, found) for source in song.stems if source != MIXTURE}
            signals.append({source: audio for source, (audio, _) in opened.items()})
            rates |= {own for _, own in opened.values()}
        if len(rates) != 1:
            raise UserError(f"rates differ or are unknown ({', '.join(map(str, rates)) or 'none'}); give one rate")
        for message in found:
            warn(message)
        own, those = signals
        mixture = np.sum([np.asarray(audio[:]) for audio in own.values()], axis=0) if version != "v4" else None
        text = evaluate_song(own, those, rates.pop() or 0, params, mixture)
    frames = _frames(text)
    return Evaluation(frames, statistics.song_medians(frames), text)


def _columns(audio: ArrayLike) -> NDArray[Any]:
    given = np.asarray(audio)
    return given.reshape(len(given), -1)


def _frames(text: str) -> pd.DataFrame:
    rows: list[tuple[str, str, str, str, int | None, float]] = [
        ("estimates", "song", target["name"], metric, index, score)
        for target in json.loads(text)["targets"]
        for index, frame in enumerate(target["frames"])
        for metric, score in frame["metrics"].items()
    ]
    rows += [
        ("estimates", "song", target["name"], metric, None, score)
        for target in json.loads(text)["targets"]
        for metric, score in target.get("metrics", {}).items()
    ]
    return pd.DataFrame(rows, columns=["system", "track", "target", "metric", "frame", "score"])


def evaluate_folders(references: Path, estimates: Path, scores: Path, options: EvaluationOptions) -> list[Outcome]:
    """
    Score all songs below `estimates` that are below `references`, into `scores`/<subset>/<song>.json.

    A song is a folder with a file per source, or a `.stem.mp4` of MUSDB18; both roots may have the folders train and
    test, or be one song. Finished songs are kept. A faulty song does not stop the others. Raises `UserError` if there
    is nothing to score, or `scores` was made with other options.
    """
    params, songs = options.params, _selected(find_songs(references), options)
    found = {song.name: song for song in find_songs(estimates)}
    if not songs:
        raise UserError(f"{references}: no songs (folders with a file per source, or .stem.mp4) match the options")
    extra = sorted(found.keys() - {song.name for song in find_songs(references)})
    _check_settings(scores, options)
    outcomes = parallel_map(partial(_score, found, scores, params, options), songs, "evaluate")
    messages = tuple(f"{estimates / name}: no such song among the references" for name in extra)
    return [*outcomes, *(Outcome(message.split(":")[0], "failed", (message,)) for message in messages)]


def table(scores: Path, system: str) -> str:
    """The scores below `scores`, which `evaluate_folders` wrote, as a Markdown table; empty if there are none."""
    folders = [folder for name in ("test", "train") if (folder := scores / name).is_dir()]
    read = [reading.read_scores(folder, system) for folder in folders]
    if not read:
        return ""
    summary = statistics.summarise(statistics.song_medians(pd.concat(read, ignore_index=True)))
    return sheets.markdown(sheets.summary_sheets(summary))


def find_songs(root: Path) -> list[SongFiles]:
    """The songs below `root`, sorted by subset and name. Raises `UserError` if the folder does not exist."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    single = _song(root, "test")
    if single.stems:
        return [single]
    songs = []
    for folder, subset in [(root, "test"), *((root / name, name) for name in SUBSETS)]:
        for path in listed(folder):
            if path.name.endswith(STEM_FILE):
                songs.append(SongFiles(path.name.removesuffix(STEM_FILE), subset, dict.fromkeys(STREAMS, path)))
            elif path.is_dir() and (song := _song(path, subset)).stems:
                songs.append(song)
    return songs


def _song(folder: Path, subset: str) -> SongFiles:
    stems = {path.stem.casefold(): path for path in listed(folder) if path.suffix.lower() in ENDINGS and path.is_file()}
    stems = {name: path for name, path in stems.items() if not path.name.endswith(STEM_FILE)}
    if "mix" in stems:
        stems.setdefault(MIXTURE, stems.pop("mix"))
    return SongFiles(folder.resolve().name, subset, stems)


def _selected(songs: Sequence[SongFiles], options: EvaluationOptions) -> list[SongFiles]:
    if options.split == "valid" or (options.split == "train" and not any(song.subset == "valid" for song in songs)):
        setup = read_yaml(Path(str(musdb().__file__)).parent / "configs" / "mus.yaml")
        names = set(setup["validation_tracks"])
        moved = [replace(song, subset="valid") if song.name in names else song for song in songs]
        songs = moved if any(song.subset == "valid" for song in moved) else songs
    kept = [song for song in songs if options.split is None or song.subset == options.split]
    subset = {"train": ("train", "valid"), "test": ("test",), None: SUBSETS}[options.subset]
    kept = [song for song in kept if song.subset in subset]
    return [song for song in kept if not options.songs or any(fnmatchcase(song.name, one) for one in options.songs)]


def _check_settings(scores: Path, options: EvaluationOptions) -> None:
    """Write the options that change scores next to the scores, or compare them with those of an earlier run."""
    own = {key: value for key, value in asdict(options).items() if key not in ("subset", "split", "songs")}
    own["targets"] = list(options.targets)
    path = scores / SETTINGS
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != own:
        raise UserError(f"{path}: these scores were made with other options; give another --output")
    files.write_json(path, own)


def _score(
    found: Mapping[str, SongFiles], scores: Path, params: EvaluationParams, options: EvaluationOptions, song: SongFiles
) -> Outcome:
    path = scores / ("test" if song.subset == "test" else "train") / f"{song.name}.json"
    notes = path.with_name(f".{song.name}.txt")  # the warnings of a finished song, if there were any
    if path.exists():
        kept = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        return Outcome(song.name, "kept", tuple(kept))
    if song.name not in found:
        return Outcome(song.name, "failed", (f"{song.name}: no estimates of this song",))
    warnings: list[str] = []
    try:
        text = _scored(song, found[song.name], params, options, warnings)
    except (UserError, ValueError, OSError) as error:
        return Outcome(song.name, "failed", (f"{song.name}: {error}",))
    messages = tuple(f"{song.name}: {warning}" for warning in warnings)
    if messages:
        files.write_text(notes, "\n".join(messages))
    files.write_text(path, text)
    return Outcome(song.name, "scored", messages)


def _scored(
    song: SongFiles, estimate: SongFiles, params: EvaluationParams, options: EvaluationOptions, warnings: list[str]
) -> str:
    stems = [name for name in statistics.ordered(song.stems, statistics.TARGETS) if name != MIXTURE]
    names = [name for name in stems if not options.targets or name in options.targets]
    if missing := [name for name in names if name not in estimate.stems]:
        found = ", ".join(estimate.stems) or "none"
        raise UserError(f"no estimate of {', '.join(missing)}; found {found}; --targets scores some sources only")
    if extra := [name for name in estimate.stems if name not in (*song.stems, MIXTURE, "accompaniment")]:
        warnings.append(f"no reference of {', '.join(extra)}; not scored")
    with ExitStack() as stack:
        references = {name: song.open(name, stack, warnings) for name in stems}
        rate = next(iter(references.values()))[1]
        shape = next(iter(references.values()))[0].shape
        audio = {name: one for name, (one, _) in references.items()}
        those = {
            name: _matched(estimate.stems[name], *estimate.open(name, stack, warnings), rate, shape, warnings)
            for name in estimate.stems
            if name in names or name in (*song.stems, "accompaniment")
        }
        mixture = np.sum([np.asarray(one[:]) for one in audio.values()], axis=0)
        own = {name: audio[name] for name in names}
        silent = [name for name, one in own.items() if not np.asarray(one[:]).any()]
        if silent:
            warnings.append(f"{', '.join(silent)} is silent; all scores of the song by BSSEval are NaN")
        text = evaluate_song(own, those, rate, params, mixture)
        if not options.accompaniment:
            return text
        content = json.loads(text)
        content["targets"].append(_accompaniment(audio, those, rate, params, mixture))
    return json.dumps(content, indent=2)


def _matched(path: Path, audio: Audio, own_rate: int, rate: int, shape: tuple[int, ...], warnings: list[str]) -> Audio:
    """An estimate with the channels of the reference; warns of another length, raises `UserError` for another rate."""
    if own_rate != rate:
        raise UserError(f"{path}: {own_rate} Hz, but the reference has {rate} Hz; resample it")
    if audio.shape[0] != shape[0]:
        what = "cut" if audio.shape[0] > shape[0] else "padded with zeros"
        warnings.append(f"{path.name}: {audio.shape[0]} samples, the reference {shape[0]}; it is {what}")
    if audio.shape[1] == shape[1]:
        return audio
    if audio.shape[1] != 1:
        raise UserError(f"{path}: {audio.shape[1]} channels, but the reference has {shape[1]}")
    warnings.append(f"{path.name}: mono, the reference has {shape[1]} channels; it is scored in all of them")
    return WithChannels(audio, shape[1])


def _accompaniment(
    references: Mapping[str, Audio],
    estimates: Mapping[str, Audio],
    rate: int,
    params: EvaluationParams,
    mixture: NDArray[Any],
) -> dict[str, Any]:
    """The scores of everything but the vocals, in the two-source setting of vocals against accompaniment."""
    if "vocals" not in references:
        raise UserError("--accompaniment needs a reference of the vocals")
    rest = [name for name in references if name not in ("vocals", "accompaniment")]
    own = np.sum([np.asarray(references[name][:]) for name in rest], axis=0)
    if "accompaniment" in estimates:
        those: Any = estimates["accompaniment"]
    else:
        parts = [np.asarray(estimates[name][: len(own)]) for name in rest]
        length = min(map(len, parts))
        those = np.sum([part[:length] for part in parts], axis=0)
    pair = {"vocals": references["vocals"], "accompaniment": own}
    text = evaluate_song(pair, {"vocals": estimates["vocals"], "accompaniment": those}, rate, params, mixture)
    target: dict[str, Any] = json.loads(text)["targets"][1]
    return target
