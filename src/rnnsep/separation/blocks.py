"""A song to its sources, in blocks of bounded memory and without seams.

The network sees a song in blocks that overlap, and the estimates of two blocks are cross-faded over their overlap.
A song that fits into one block is separated in one go.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from rnnsep.network.backend import import_tensorflow
from rnnsep.params import Range
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.workers import map_songs
from rnnsep.separation.filters import Filter, make_filter, tempered
from rnnsep.signal.corpus import MIXTURE, Corpus, Song
from rnnsep.signal.resampling import resampled, resampled_blocks
from rnnsep.signal.stft import Audio, Inverse, StftParams, stft, with_channels

FADE = 10  # blocks share at least one part in ten, over which they are cross-faded
CHUNK = 32  # frames turned into samples at a time


@dataclass(frozen=True)
class SeparationParams:
    """How masks are applied, and how many seconds of a song the network sees at a time."""

    filter: Literal["mask", "wiener"]
    temperature: Annotated[float, Range(0.1, 10)]
    block: Annotated[float, Range(1)]


class Separator(Protocol):
    """A trained model: `masks` of a mixture's STFT (nb_frames, nb_bins, nb_channels), which sum to one over the
    sources, as (nb_sources, nb_frames, nb_bins, nb_channels or 1)."""

    @property
    def sources(self) -> tuple[str, ...]: ...

    @property
    def stft(self) -> StftParams: ...

    def masks(self, mixture: NDArray[np.complex64]) -> NDArray[np.float32]: ...


def separate_corpus(corpus: Path, models: Path, estimates: Path, params: SeparationParams, split: str) -> None:
    """Write `estimates/<song>/<source>.wav` for the songs of a split. Finished songs are kept.

    Raises `UserError` where there is no such song, or a mixture or the model cannot be read.
    """
    described = Corpus.read(corpus)
    songs = described.of_split(split)
    if not songs:
        raise UserError(f"{corpus}: no songs of split {split}; nothing to separate")
    map_songs(partial(_separate_song, described, models, estimates, params), songs, "separate")


def separate(mixture: Audio, rate: int, model: Separator, params: SeparationParams) -> Iterator[NDArray[np.float32]]:
    """
    Estimates of the model's sources in `mixture` (nb_samples, nb_channels) at `rate` (Hz).

    Yields consecutive blocks (nb_sources, nb, nb_channels), which have the rate, channels and together the length
    of the mixture. A model sees a song of another number of channels than its own as their mean, in all of its
    channels, and the mean of its masks then serves every channel of the song.
    """
    own_rate = model.stft.sample_rate
    blocks = _blocks(resampled(mixture, rate, own_rate), model, params)
    if rate == own_rate:
        yield from blocks
        return
    # (nb_sources, nb, nb_channels) -> (nb, nb_sources * nb_channels), and back
    flat = (block.transpose(1, 0, 2).reshape(block.shape[1], -1) for block in blocks)
    for block in resampled_blocks(flat, own_rate, rate, mixture.shape[0]):
        yield block.reshape(len(block), len(model.sources), -1).transpose(1, 0, 2)


def _blocks(audio: Audio, model: Separator, params: SeparationParams) -> Iterator[NDArray[np.float32]]:
    inverses = [Inverse(model.stft, audio.shape[0]) for _ in model.sources]
    for spectra in _spectra(audio, model, params):
        yield np.stack([inverse(one) for inverse, one in zip(inverses, spectra, strict=True)])


def _spectra(audio: Audio, model: Separator, params: SeparationParams) -> Iterator[NDArray[np.complex64]]:
    """Consecutive estimates (nb_sources, nb_frames, nb_bins, nb_channels), a few frames at a time."""
    nb_frames = model.stft.nb_frames(audio.shape[0])
    length = max(FADE, round(params.block * model.stft.sample_rate / model.stft.hop))
    fade = length // FADE
    blocks = plan(nb_frames, length, fade)
    ramp = (np.arange(fade, dtype=np.float32)[:, None, None] + 1) / (fade + 1)
    old: NDArray[np.complex64] | None = None
    for block in blocks:
        estimate = _filter(stft(audio, model.stft, block.start, block.stop), model, params)
        at, end = block.begin - block.start, block.end - block.start
        if old is not None:
            yield old + ramp * (estimate(at, at + fade) - old)
            at += fade
        for chunk in range(at, end, CHUNK):
            yield estimate(chunk, min(chunk + CHUNK, end))
        if block.end < nb_frames:
            old = estimate(end, end + fade)


def _filter(mixture: NDArray[np.complex64], model: Separator, params: SeparationParams) -> Filter:
    masks = tempered(model.masks(with_channels(mixture, model.stft.nb_channels)), params.temperature)
    return make_filter(
        params.filter, mixture, masks if masks.shape[-1] == mixture.shape[-1] else with_channels(masks, 1)
    )


@dataclass(frozen=True)
class Block:
    """Frames [start, stop) that the network sees, of which [begin, end) are used."""

    start: int
    stop: int
    begin: int
    end: int


def plan(nb_frames: int, length: int, fade: int) -> list[Block]:
    """
    Blocks of equal length, at most `length`, for a song of `nb_frames`.

    A block follows the one before at `begin`, and both are defined up to `begin + fade`, in the middle of what
    they share. `length` is at least 4 * `fade`, so that no two fades meet.
    """
    if nb_frames <= length:
        return [Block(0, nb_frames, 0, nb_frames)]
    nb_blocks = -(-(nb_frames - fade) // (length - fade))
    starts = [index * (nb_frames - length) // (nb_blocks - 1) for index in range(nb_blocks)]
    cuts = [start + (last + length - start - fade) // 2 for last, start in pairwise(starts)]
    uses = pairwise([0, *cuts, nb_frames])
    return [Block(start, start + length, begin, end) for start, (begin, end) in zip(starts, uses, strict=True)]


def _separate_song(corpus: Corpus, models: Path, folder: Path, params: SeparationParams, song: Song) -> None:
    model = _model(models)
    paths = [folder / song.name / f"{source}.wav" for source in model.sources]
    if all(path.exists() for path in paths):
        return
    with corpus.stem(song, MIXTURE) as mixture, ExitStack() as stack:
        sinks = [stack.enter_context(_wav(path, song.rate, song.nb_channels)) for path in paths]
        for block in separate(mixture, song.rate, model, params):
            for sink, estimate in zip(sinks, block, strict=True):
                sink.write(np.clip(np.rint(estimate * 32768), -32768, 32767).astype(np.int16))


@cache
def _model(folder: Path) -> Separator:
    """The model of a worker process, on one thread: the workers share the cores, and bytes do not depend on them."""
    import_tensorflow()  # here, since it takes seconds that the parent of the workers need not spend
    import tensorflow as tf

    from rnnsep.network.model import load_model

    with suppress(RuntimeError):  # too late to choose where something else in this process has used TensorFlow
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return load_model(folder)


@contextmanager
def _wav(path: Path, rate: int, nb_channels: int) -> Iterator[soundfile.SoundFile]:
    """A 16-bit wav file to write blocks to, whole or not at all."""
    with (
        files.whole(path) as temporary,
        soundfile.SoundFile(temporary, "w", rate, nb_channels, "PCM_16", format="WAV") as file,
    ):
        yield file
