"""Sound files for tests, encoded by ffmpeg's codecs."""

import importlib
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def tone(seconds: float, rate: int = 44100, nb_channels: int = 2, frequency: float = 440.0) -> NDArray[np.float32]:
    """A sine (nb_samples, nb_channels)."""
    sine = 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return np.repeat(sine[:, np.newaxis], nb_channels, axis=1).astype(np.float32)


def encode(
    path: Path, *streams: NDArray[np.floating], codec: str, rate: int = 44100, options: dict[str, str] | None = None
) -> bytes:
    """Encode each of `streams` (nb_samples, nb_channels) to a stream of its own; the bytes of the file."""
    with av.open(str(path), "w", options=options or {}) as container:
        outs = [container.add_stream(codec, rate=rate, layout=LAYOUTS[audio.shape[1]]) for audio in streams]
        for out, audio in zip(outs, streams, strict=True):
            planes = np.ascontiguousarray(audio.T, np.float32)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=LAYOUTS[audio.shape[1]])
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
            for packet in [*out.encode(frame), *out.encode(None)]:
                container.mux(packet)
    return path.read_bytes()


class Info:
    """What musdb asks stempeg about a WAV file."""

    def __init__(self, path: str):
        info = soundfile.info(path)
        self.samples, self.rate, self.duration = (
            lambda _, v=v: v for v in (info.frames, info.samplerate, info.duration)
        )


def musdb() -> ModuleType:
    """musdb, which imports stempeg, which needs ffmpeg: here soundfile takes its place."""
    stempeg = ModuleType("stempeg")
    vars(stempeg).update(Info=Info, read_stems=lambda filename, **_: soundfile.read(filename, always_2d=True))
    with patch.dict(sys.modules, stempeg=stempeg):
        for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] in ("musdb", "museval")]:
            del sys.modules[loaded]
        return importlib.import_module("musdb")
