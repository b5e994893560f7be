"""Floor and ceiling of what masks can reach, as in SiSEC 2018: MIX and IRM1."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnsep.scoring.evaluation import score_corpus
from rnnsep.scoring.song_scores import EvaluationParams
from rnnsep.signal.corpus import MIXTURE, Corpus, Song
from rnnsep.signal.stft import Audio, Inverse, StftParams, stft

CHUNK = 32  # frames


def score_baselines(corpus: Path, mix: Path, irm1: Path, params: EvaluationParams) -> None:
    """Score both systems on the test songs of a corpus, each into a folder of its own (see `score_corpus`)."""
    score_corpus(corpus, mix, mixture_share, params, "MIX")
    score_corpus(corpus, irm1, partial(ideal_ratio_masks, irm1), params, "IRM1")


class Scaled:
    """`audio` times `gain`, as an `Audio` of its own."""

    def __init__(self, audio: Audio, gain: float):
        self.audio, self.gain = audio, np.float32(gain)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.audio.shape

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]:
        return np.asarray(self.gain * self.audio[key])


def mixture_share(corpus: Corpus, song: Song, stack: ExitStack) -> dict[str, Audio]:
    """MIX: for each source the mixture, divided by the number of sources."""
    mixture = stack.enter_context(corpus.stem(song, MIXTURE))
    return dict.fromkeys(corpus.sources, Scaled(mixture, 1 / len(corpus.sources)))


def ideal_ratio_masks(folder: Path, corpus: Corpus, song: Song, stack: ExitStack) -> dict[str, Audio]:
    """
    IRM1: the mixture times the ideal ratio mask of magnitudes [1]_, each channel by itself, STFT 2048 / 1024, Hann.

    Estimates are on disk while they are needed, in files without a name in `folder`.

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
    for block in _masked(mixture, sources, StftParams(song.rate, 2048, 1024, "stereo", "hann")):
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
