"""Estimates of all songs of a split of the corpus."""

from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path

from rnnsep.network.model import load_model
from rnnsep.running.errors import UserError
from rnnsep.running.workers import parallel_map
from rnnsep.separation.blocks import SeparationParams, separate
from rnnsep.signal.corpus import MIXTURE, Corpus, Song, SplitParams
from rnnsep.signal.writing import audio_sink

load_separator = cache(load_model)  # once in each worker process


def separate_corpus(
    corpus: Path, models: Path, estimates: Path, separation: SeparationParams, evaluation: SplitParams
) -> None:
    """Write `estimates/<song>/<source>.wav` for the songs of a split. Finished songs are kept.

    Files have 16 bits if the mixture has, and are float otherwise.

    Raises `UserError` if there is no such song, or a mixture or the model cannot be read.
    """
    described = Corpus.read(corpus)
    songs = described.of_split(evaluation.split)
    if not songs:
        raise UserError(f"{corpus}: no songs of split {evaluation.split}; nothing to separate")
    parallel_map(partial(_separate_song, described, models, estimates, separation), songs, "separate")


def _separate_song(corpus: Corpus, models: Path, folder: Path, params: SeparationParams, song: Song) -> None:
    model = load_separator(models).for_song(song.name)
    paths = [folder / song.name / f"{source}.wav" for source in model.sources]
    if all(path.exists() for path in paths):
        return
    with corpus.stem(song, MIXTURE) as mixture, ExitStack() as stack:
        subtype = "PCM_16" if mixture.subtype == "PCM_16" else "FLOAT"  # whose estimates could be clipped or coarse
        sinks = [stack.enter_context(audio_sink(path, song.rate, song.nb_channels, subtype)) for path in paths]
        for block in separate(mixture, song.rate, model, params):
            for sink, estimate in zip(sinks, block, strict=True):
                sink.write(estimate)
