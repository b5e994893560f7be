"""The baseline MIX and the oracle IRM1, as in SiSEC 2018."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnsep.scoring.evaluation import score_corpus
from rnnsep.signal.corpus import MIXTURE, Corpus, EvaluationParams, Song
from rnnsep.signal.stft import Inverse, StftParams, stft
from rnnsep.signal.streams import Adapted, Audio

CHUNK = 32  # frames


def score_baselines(corpus: Path, mix: Path, irm1: Path, evaluation: EvaluationParams) -> None:
    """Score MIX and IRM1 and write their scores to the folders `mix` and `irm1` (see `score_corpus`)."""
    score_corpus(corpus, mix, mixture_share, evaluation, "MIX")
    score_corpus(corpus, irm1, partial(ideal_ratio_masks, irm1), evaluation, "IRM1")


def mixture_share(corpus: Corpus, song: Song, stack: ExitStack) -> dict[str, Audio]:
    """MIX: the estimate of each source is the mixture divided by the number of sources."""
    mixture = stack.enter_context(corpus.stem(song, MIXTURE))
    return dict.fromkeys(corpus.sources, Adapted(mixture, mixture.nb_channels, 1 / len(corpus.sources)))


def ideal_ratio_masks(folder: Path, corpus: Corpus, song: Song, stack: ExitStack) -> dict[str, Audio]:
    """
    IRM1: the mixture times the ideal ratio mask of magnitudes [1]_, per channel; STFT with Hann window 2048, hop 1024.

    The estimates are memory maps of unnamed temporary files in `folder`, which are deleted when the stack closes.

    .. [1] A. Liutkus, R. Badeau, "Generalized Wiener filtering with fractional power spectrograms", ICASSP 2015.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = song.nb_samples, song.nb_channels
    estimates: dict[str, NDArray[np.float32]] = {}
    for source in corpus.sources:
        file = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
        estimates[source] = np.memmap(file, np.float32, "w+", shape=shape)
    mixture = stack.enter_context(corpus.stem(song, MIXTURE))
    sources = [stack.enter_context(corpus.stem(song, source)) for source in corpus.sources]
    done = 0
    for block in _masked(
        mixture, sources, StftParams(sample_rate=song.rate, window=2048, hop=1024, channels="stereo", taper="hann")
    ):
        for estimate, samples in zip(estimates.values(), block, strict=True):
            estimate[done : done + len(samples)] = samples
        done += len(block[0])
    return dict(estimates)


def _masked(mixture: Audio, sources: Sequence[Audio], params: StftParams) -> Iterator[list[NDArray[np.float32]]]:
    nb_samples = mixture.shape[0]
    inverses = [Inverse(params, nb_samples) for _ in sources]
    nb_frames = params.nb_frames(nb_samples)
    for start in range(0, nb_frames, CHUNK):
        stop = min(start + CHUNK, nb_frames)
        magnitudes = [np.abs(stft(source, params, start, stop)) for source in sources]
        unmasked = stft(mixture, params, start, stop) / np.maximum(sum(magnitudes), np.finfo(np.float32).tiny)
        yield [inverse(magnitude * unmasked) for inverse, magnitude in zip(inverses, magnitudes, strict=True)]
