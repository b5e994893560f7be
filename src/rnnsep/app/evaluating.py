"""Scores of estimates in any folders, or in memory, without the pipeline."""

import hashlib
import itertools
import json
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import ArrayLike

from rnnsep.app.layouts import INSTRUMENTS, SUBSETS, SongFiles, find_songs, named, pair, plainly
from rnnsep.app.sources import OTHER, Options, SongScorer, Source
from rnnsep.corpora.musdb18 import VALIDATION
from rnnsep.params import parse
from rnnsep.running import files
from rnnsep.running.errors import UserError, failure
from rnnsep.running.workers import parallel_map
from rnnsep.signal.corpus import MIXTURE, EvaluationParams
from rnnsep.tables import reading, sheets, statistics

SETTINGS = ".evaluation.json"  # hidden, so that it is not taken for scores
OF_SUBSET = {None: set(SUBSETS.values()), "train": {"train", "valid"}, "valid": {"valid"}, "test": {"test"}}

Version = Literal["v4", "v3", "v2"]


@dataclass(frozen=True)
class Outcome:
    """The result for a song: scored, kept from an earlier run, or failed; `messages` are one line each."""

    song: str
    state: Literal["scored", "kept", "failed"]
    messages: tuple[str, ...] = ()
    scores: Path | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores of one song: `frames` in long form, `medians` over frames, and museval's `json`."""

    frames: pd.DataFrame
    medians: pd.DataFrame
    json: str


def evaluation_params(window: float, hop: float, version: Version) -> EvaluationParams:
    """`window` and `hop` are in s. Raises `ParamError` for an impossible value."""
    given = {"engine": "fast", "window": window, "hop": hop, "version": version, "split": "test"}
    return parse(EvaluationParams, given)


def evaluate(
    references: Mapping[str, ArrayLike] | Path | str,
    estimates: Mapping[str, ArrayLike] | Path | str,
    rate: int | None = None,
    window: float = 1.0,
    hop: float = 1.0,
    version: Version = "v4",
    align: bool = False,
) -> Evaluation:
    """Scores of a song's `estimates` against its `references`: BSSEval with museval's numbers, uSDR and SI-SDR.

    >>> scores = evaluate({"vocals": v, "rest": r}, {"vocals": v_hat, "rest": r_hat}, 44100)
    >>> scores.medians.query("metric == 'SDR'")

    Parameters
    ----------
    references, estimates
        Source names and arrays (nb_samples,) or (nb_samples, nb_channels), or the folder of a song.
    rate
        Hz; folders have their own.
    window, hop
        Length and hop of the frames in s.
    version
        v4: BSSEval v4, framewise; v3: BSS Eval v3 of the whole song; v2: with gains only. In v3 and v2, the mixture is
        the sum of the references.
    align
        Remove a constant delay of an estimate. Without it, a delay gives a warning.

    Returns
    -------
    Evaluation
        `frames`, `medians` and `json`. Frames with a silent source score NaN, where museval raises.

    Raises
    ------
    UserError
        If an estimate is missing, or files cannot be scored.
    ValueError
        For arrays that do not match.
    """
    scorer = SongScorer(evaluation_params(window, hop, version), Options(align=align))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = [_opened(scorer, side, rate, scratch / str(k), stack) for k, side in enumerate((references, estimates))]
        rates = {one.rate for side in sides for one in side.values() if one.rate} | ({rate} if rate else set())
        if len(rates) != 1:
            raise UserError(f"rates differ or are unknown ({', '.join(map(str, rates)) or 'none'}); give one rate")
        own, those = ({name: one._replace(rate=max(rates)) for name, one in side.items()} for side in sides)
        text = scorer.score(own, those)
    for message in scorer.lines:
        warnings.warn(message, stacklevel=2)
    frames = reading.long_form({"song": reading.parse_song(text, Path("scores"))}, "estimates")
    return Evaluation(frames.drop(columns="duration"), statistics.song_medians(frames), text)


def evaluate_folders(
    references: Path, estimates: Path, scores: Path, params: EvaluationParams, options: Options
) -> list[Outcome]:
    """Score the songs of `estimates` that are among `references`, into `scores`/<subset>/<song>.json.

    See `layouts` for how songs may lie. Scores are kept if neither files nor options have changed. A faulty song does
    not stop the others. Raises `UserError` if there is nothing to score, or `scores` was made with other options.
    """
    try:
        truth = find_songs(references)
        if not truth:
            raise UserError(
                f"{references}: no songs; expected folders with a file per source (song/vocals.wav), or .stem.mp4 files"
            )
        sources = {source for song in truth for source in song.sources}
        estimated = find_songs(estimates, sources, [song.name for song in truth])
        pairs, extra = pair(truth, estimated)
        if len(truth) == len(estimated) == 1 and (truth[0].place, estimated[0].place) == (references, estimates):
            pairs, extra = [estimated], []  # two songs, of any names
        shared = Counter(id(one) for found in pairs for one in found)
        jobs = [
            _Job(song, found, any(shared[id(one)] > 1 for one in found), scores)
            for song, found in zip(truth, pairs, strict=True)
        ]
        jobs = _selected(jobs, options, references)
        _check_options(scores, params, options)
        files.remove_partial(scores)
        outcomes = parallel_map(partial(_attempt, params, options), jobs, "evaluate")
    except OSError as error:
        raise UserError(f"{error.filename or scores}: {error.strerror}") from None
    for song in extra:
        if song.subset is None or song.subset in OF_SUBSET[options.subset]:
            where = song.place if song.place.name == song.name else song.place / song.name
            what = f"{where}: no such song among the references"
            outcomes.append(Outcome(song.name, "failed", (what,)))
    return outcomes


def table(outcomes: Sequence[Outcome], system: str) -> str:
    """The scores of a run of `evaluate_folders` as a Markdown table; empty if there are none."""
    paths = {f"{one.scores.parent.name}/{one.song}": one.scores for one in outcomes if one.scores is not None}
    if not paths:
        return ""
    frames = reading.long_form({name: reading.read_song(path) for name, path in paths.items()}, system)
    return sheets.markdown(sheets.summary_sheets(statistics.summarise(statistics.song_medians(frames))))


class _Job(NamedTuple):
    """A reference, the estimates that may be meant, whether these may be another song's, and the folder of scores."""

    song: SongFiles
    estimates: Sequence[SongFiles]
    ambiguous: bool
    scores: Path

    @property
    def subset(self) -> str:
        return self.song.subset or "test"

    @property
    def path(self) -> Path:
        return self.scores / self.subset / f"{self.song.name}.json"


def _selected(jobs: Sequence[_Job], options: Options, references: Path) -> list[_Job]:
    """The jobs that the options select. Raises `UserError` if there is none, or for a name that nothing has."""
    places: dict[Path, list[str]] = defaultdict(list)
    for job in jobs:
        places[job.path].append(str(job.song.place))
    for path, twice in places.items():
        if len(twice) > 1:
            raise UserError(f"{references}: {path.stem} is there twice, in {' and '.join(twice)}; rename one")
    sources = {name for job in jobs for name in job.song.sources}
    _check_names("--songs", options.songs, {job.song.name for job in jobs}, references)
    _check_names("--targets", options.targets, sources | ({OTHER} if sources & set(INSTRUMENTS) else set()), references)
    musdb = VALIDATION if not any(job.subset == "valid" for job in jobs) else ()

    def subsets(job: _Job) -> set[str]:
        return {job.subset} | ({"valid"} if job.song.name in musdb and job.song.subset != "test" else set())

    kept = [
        job
        for job in jobs
        if subsets(job) & OF_SUBSET[options.subset]
        and (not options.songs or any(named(job.song.name, one) for one in options.songs))
        and (not options.targets or any(named(name, one) for name in job.song.sources for one in options.targets))
    ]
    if not kept:
        raise UserError(f"{references}: none of the {len(jobs)} songs matches the options")
    return kept


def _check_names(option: str, given: Iterable[str], known: Iterable[str], where: Path) -> None:
    names = sorted(known)
    for one in given:
        if not any(named(name, one) for name in names):
            some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            raise UserError(f"{option} {one}: {where} has none of this name; there are {some}")


def _check_options(scores: Path, params: EvaluationParams, options: Options) -> None:
    """Write the options that change scores next to the scores, or compare them with those of an earlier run."""
    own = {"window": params.window, "hop": params.hop, "version": params.version, "targets": sorted(options.targets)}
    own |= {"accompaniment": options.accompaniment, "align": options.align}
    path = scores / SETTINGS
    if scores.exists() and not scores.is_dir():
        raise UserError(f"{scores}: is a file; give a folder for the scores")
    if path.exists() and _json(path) != own:
        raise UserError(f"{path}: these scores were made with other options; give another --output")
    files.write_json(path, own)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _attempt(params: EvaluationParams, options: Options, job: _Job) -> Outcome:
    """Score a song, or keep its scores; outdated scores of an earlier run are removed."""
    name, path = job.song.name, job.path
    record = path.with_name(f".made-from-{path.name}")  # what the scores were made from, and warnings
    try:
        estimate = _estimate(job)
        made_from = [_digests(job.song), _digests(estimate)]
        kept = _json(record)
        if kept is None and path.exists():
            return Outcome(name, "failed", (f"{path}: is not by rnnsep evaluate; give another --output",))
        if kept and kept["from"] == made_from and path.exists() and kept["scores"] == files.file_digest(path):
            return Outcome(name, "kept", tuple(kept["warnings"]), path)
        scorer = SongScorer(params, options, _repeated(estimate, made_from[1]))
        if plainly(estimate.name) != plainly(name):
            scorer.messages.append(f"scored with the estimates of {estimate.place}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=files.PARTIAL, dir=path.parent)))
            references = scorer.open(job.song, scratch, stack)
            text = scorer.score(references, scorer.open(estimate, scratch / "estimates", stack))
        lines = [f"{name}: {message}" for message in scorer.lines]
        digest = hashlib.sha256(text.encode()).hexdigest()
        files.write_json(record, {"from": made_from, "scores": digest, "warnings": lines})
        files.write_text(path, text)
        return Outcome(name, "scored", tuple(lines), path)
    except (UserError, ValueError, OSError, soundfile.SoundFileError) as error:
        message = failure(error, path.parent)
    if record.exists():
        path.unlink(missing_ok=True)
    return Outcome(name, "failed", (f"{name}: {message}",))


def _estimate(job: _Job) -> SongFiles:
    """The one song whose files are the estimates. Raises `UserError` if there is none, or more."""
    if not job.estimates:
        where = f" in {job.song.subset}" if job.song.subset else ""
        raise UserError(f"no estimates of this song{where}")
    if len(job.estimates) > 1:
        places = ", ".join(str(one.place) for one in job.estimates)
        raise UserError(f"several estimates of this song: {places}; give the folder of one system")
    place = job.estimates[0].place
    if job.ambiguous:
        raise UserError(f"{place}: several references have this name; put the estimates into train/ and test/, too")
    return job.estimates[0]


def _digests(song: SongFiles) -> dict[str, list[str]]:
    """SHA-256 of the files of each source."""
    known = {path: files.file_digest(path) for path in set(itertools.chain(*song.stems.values()))}
    return {name: [known[path] for path in paths] for name, paths in song.stems.items()}


def _repeated(song: SongFiles, digests: Mapping[str, Sequence[str]]) -> list[str]:
    """A line on sources whose files are the same, if not all are, as those of a baseline."""
    sources = [name for name in song.sources if song.stems[name] != song.stems.get(MIXTURE)]
    same = [a for a in sources if any(a != b and digests[a] == digests[b] for b in sources)]
    return [f"the estimates of {', '.join(same)} are the same"] if same and len(same) < len(sources) else []


def _opened(
    scorer: SongScorer, given: Mapping[str, ArrayLike] | Path | str, rate: int | None, scratch: Path, stack: ExitStack
) -> dict[str, Source]:
    if isinstance(given, Mapping):
        arrays = {name: np.asarray(audio) for name, audio in given.items()}
        for name, audio in arrays.items():
            if audio.ndim not in (1, 2) or audio.size == 0:
                raise ValueError(f"{name}: must be (nb_samples, nb_channels), not {audio.shape}")
            if audio.ndim == 2 and audio.shape[1] > max(audio.shape[0], 2):
                raise ValueError(f"{name}: must be (nb_samples, nb_channels), but is {audio.shape}; transpose it")
        return {name: Source(audio.reshape(len(audio), -1), rate or 0, True, name) for name, audio in arrays.items()}
    songs = find_songs(Path(given))
    if len(songs) != 1:
        raise UserError(f"{given}: holds {len(songs)} songs; give the folder of one, with a file per source")
    return scorer.open(songs[0], scratch, stack)
