"""Import musdb and museval without ffmpeg.

Both import stempeg, which refuses to be imported without ffmpeg and ffprobe and starts two processes for each
file. While they are imported, a module with the few names that they use of it takes its place. It reads WAV and FLAC
with soundfile, `.stem.mp4` with PyAV. Other importers of stempeg get the real one.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.running.packages import require
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.decoding import decode, stream_lengths
from rnnsep.signal.writing import write_wav

WAVES = (".wav", ".flac")


def musdb() -> ModuleType:
    """The module musdb."""
    require("musdb")
    with _standin():
        import musdb as module
    return cast(ModuleType, module)


def museval() -> ModuleType:
    """The module museval."""
    require("museval")
    with _standin():
        import museval as module
    return cast(ModuleType, module)


class Info:
    """Length and rate of a file's streams, under stempeg's names."""

    def __init__(self, path: str):
        if path.lower().endswith(WAVES):
            with AudioFile(Path(path)) as audio:
                self._streams = [(audio.nb_samples, audio.rate)]
        else:
            self._streams = stream_lengths(Path(path))
            if not self._streams:
                raise UserError(f"{path}: has no audio")

    def samples(self, idx: int = 0) -> int:
        return self._streams[idx][0]

    def rate(self, idx: int = 0) -> int:
        return self._streams[idx][1]

    def duration(self, idx: int = 0) -> float:
        """Seconds."""
        return self.samples(idx) / self.rate(idx)


def read_stems(
    filename: str,
    start: float | None = None,
    duration: float | None = None,
    stem_id: int | None = None,
    sample_rate: float | None = None,
    info: Info | None = None,
    ffmpeg_format: str = "f32le",
) -> tuple[NDArray[np.float64], int]:
    """Audio (nb_samples, nb_channels), or (nb_stems, nb_samples, nb_channels) without `stem_id`, and rate.

    `start` and `duration` are in seconds. With the format s16le, which musdb asks for, samples are converted to 16 bits
    as by ffmpeg; with others they stay as they are. Versions of ffmpeg differ in the rounding errors of decoded AAC: in
    excerpts of MUSDB18, one sample in 10 million is 1/32768 off ffmpeg 7.0's, and two in 10 000 are off ffmpeg 4.2's.

    Raises ValueError where another rate is asked for.
    """
    info = info or Info(filename)
    rate = info.rate(stem_id or 0)
    if sample_rate not in (None, rate):
        raise ValueError(f"{filename}: has {rate} Hz and is not resampled to {sample_rate} Hz here")
    rounded = ffmpeg_format == "s16le"
    first = round((start or 0) * rate)
    part = slice(first, first + round(duration * rate) if duration else None)
    if filename.lower().endswith(WAVES):
        with AudioFile(Path(filename), "float64") as audio:
            samples = audio[part]
            return (sixteen_bits(samples, audio.subtype.startswith("PCM")) if rounded else samples), rate
    indices = range(len(info._streams)) if stem_id is None else (stem_id,)
    stems = [np.concatenate(list(decode(Path(filename), index)[1]))[part] for index in indices]
    audio_of_stems = np.stack([stem[: min(map(len, stems))] for stem in stems]).astype(np.float64)
    if rounded:
        audio_of_stems = sixteen_bits(audio_of_stems)
    return (audio_of_stems if stem_id is None else audio_of_stems[0]), rate


def sixteen_bits(audio: NDArray[Any], whole: bool = False) -> NDArray[Any]:
    """Samples in steps of 1/32768 within [-1, 1), as ffmpeg converts floats to s16: without dither, half to even.

    For `whole` numbers (PCM of more bits), ffmpeg drops the lower bits.
    """
    steps = np.floor(audio * 32768) if whole else np.rint(audio * 32768)
    clipped: NDArray[Any] = steps.clip(-32768, 32767) / 32768
    return clipped


def write_audio(path: str, data: NDArray[Any], sample_rate: float = 44100.0) -> None:
    """Write a WAV file of 16 bits."""
    write_wav(Path(path), [data], int(sample_rate))


@contextmanager
def _standin() -> Iterator[None]:
    """Within the block, `import stempeg` gives the names above."""
    standin = ModuleType("stempeg")
    standin.__dict__.update(Info=Info, read_stems=read_stems, write_audio=write_audio)
    real = sys.modules.get("stempeg")
    sys.modules["stempeg"] = standin
    try:
        yield
    finally:
        if real is None:
            del sys.modules["stempeg"]
        else:
            sys.modules["stempeg"] = real
