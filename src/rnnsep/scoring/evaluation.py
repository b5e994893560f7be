"""The scores of a corpus's songs, one museval JSON file for each: `<folder>/test/<song>.json`."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.workers import map_songs
from rnnsep.scoring.song_scores import EvaluationParams, evaluate_song
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.corpus import MIXTURE, Corpus, Song
from rnnsep.signal.stft import Audio

Estimate = Callable[[Corpus, Song, ExitStack], Mapping[str, Audio]]
"""Estimates of a song's sources by name; what must be closed afterwards goes onto the stack."""


def score_corpus(corpus: Path, scores: Path, estimate: Estimate, params: EvaluationParams, label: str) -> None:
    """
    Score `estimate` on the songs of the split that `params` name. Finished songs are kept.

    Raises `UserError` where there is no such song, or references or estimates are missing, broken or do not match.
    """
    described = Corpus.read(corpus)
    songs = described.of_split(params.split)
    if not songs:
        raise UserError(f"{corpus}: no songs of split {params.split}; nothing to score")
    map_songs(partial(_score_song, described, scores / "test", estimate, params), songs, label)


def score_estimates(corpus: Path, estimates: Path, scores: Path, params: EvaluationParams) -> None:
    """Score `estimates/<song>/<source>.wav` (see `score_corpus`)."""
    score_corpus(corpus, scores, partial(_estimates, estimates), params, "evaluate")


def _score_song(corpus: Corpus, folder: Path, estimate: Estimate, params: EvaluationParams, song: Song) -> None:
    path = folder / f"{song.name}.json"
    if path.exists():
        return
    with ExitStack() as stack:
        references = {source: stack.enter_context(corpus.stem(song, source)) for source in corpus.sources}
        mixture = stack.enter_context(corpus.stem(song, MIXTURE))
        scores = evaluate_song(references, estimate(corpus, song, stack), song.rate, params, mixture)
        files.write_text(path, scores)


def _estimates(folder: Path, corpus: Corpus, song: Song, stack: ExitStack) -> dict[str, Audio]:
    estimates: dict[str, Audio] = {}
    for source in corpus.sources:
        estimate = stack.enter_context(AudioFile(folder / song.name / f"{source}.wav"))
        found, wanted = (estimate.rate, *estimate.shape), (song.rate, song.nb_samples, song.nb_channels)
        if found != wanted:
            raise UserError(
                f"{estimate.path}: rate, samples and channels are {found}, those of the song {wanted};"
                " separate it again"
            )
        estimates[source] = estimate
    return estimates
