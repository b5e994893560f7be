"""Score the songs of a corpus. Each song is a JSON file in museval's format, `<folder>/test/<song>.json`."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.workers import parallel_map
from rnnsep.scoring.song_scores import as_json, song_targets
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.corpus import MIXTURE, Corpus, EvaluationParams, Song
from rnnsep.signal.streams import Audio

Estimate = Callable[[Corpus, Song, ExitStack], Mapping[str, Audio]]
"""Returns {source: estimate} of a song; files that must be closed afterwards are entered into the stack."""


def score_corpus(corpus: Path, scores: Path, estimate: Estimate, params: EvaluationParams, label: str) -> None:
    """Score the estimates that `estimate` returns for each song of the split `params.split`.

    Songs that are already scored are skipped. `label` names the progress bar. Raises `UserError` if the split has no
    songs, or a reference or estimate is missing, damaged or does not match the song.
    """
    described = Corpus.read(corpus)
    songs = described.of_split(params.split)
    if not songs:
        raise UserError(f"{corpus}: no songs in the split {params.split}; set evaluation.split to a split with songs")
    parallel_map(partial(_score_song, described, scores / "test", estimate, params), songs, label)


def score_estimates(corpus: Path, estimates: Path, scores: Path, evaluation: EvaluationParams) -> None:
    """Score the estimates `estimates/<song>/<source>.wav` (see `score_corpus`)."""
    score_corpus(corpus, scores, partial(_estimates, estimates), evaluation, "evaluate")


def _score_song(corpus: Corpus, folder: Path, estimate: Estimate, params: EvaluationParams, song: Song) -> None:
    path = folder / f"{song.name}.json"
    if path.exists():
        return
    with ExitStack() as stack:
        references = {source: stack.enter_context(corpus.stem(song, source)) for source in corpus.sources}
        mixture = stack.enter_context(corpus.stem(song, MIXTURE))
        scores = song_targets(references, estimate(corpus, song, stack), song.rate, params, mixture)
        files.write_text(path, as_json(scores, params))


def _estimates(folder: Path, corpus: Corpus, song: Song, stack: ExitStack) -> dict[str, Audio]:
    estimates: dict[str, Audio] = {}
    for source in corpus.sources:
        estimate = stack.enter_context(AudioFile(folder / song.name / f"{source}.wav"))
        found, wanted = (estimate.rate, *estimate.shape), (song.rate, song.nb_samples, song.nb_channels)
        if found != wanted:
            raise UserError(
                f"{estimate.path}: has (rate, samples, channels) {found}, but the song has {wanted};"
                " separate the song again"
            )
        estimates[source] = estimate
    return estimates
