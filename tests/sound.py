"""Sound for tests: signals, files encoded by ffmpeg's codecs, a corpus."""

import importlib
import sys
from fractions import Fraction
from types import ModuleType
from unittest.mock import patch

import av
import numpy as np
import soundfile

from rnnsep.signal.corpus import Corpus, Song
from rnnsep.signal.writing import write_wav

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def tone(seconds, rate=44100, nb_channels=2, frequency=440.0):
    """A sine (nb_samples, nb_channels)."""
    sine = 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return np.repeat(sine[:, np.newaxis], nb_channels, axis=1).astype(np.float32)


def encode(path, *streams, codec, rate=44100, options=None):
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

    def __init__(self, path):
        info = soundfile.info(path)
        values = info.frames, info.samplerate, info.duration
        self.samples, self.rate, self.duration = (lambda _, value=value: value for value in values)


def musdb():
    """musdb, which imports stempeg, which needs ffmpeg: here soundfile takes its place."""
    stempeg = ModuleType("stempeg")
    vars(stempeg).update(Info=Info, read_stems=lambda filename, **_: soundfile.read(filename, always_2d=True))
    with patch.dict(sys.modules, stempeg=stempeg):
        for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] in ("musdb", "museval")]:
            del sys.modules[loaded]
        return importlib.import_module("musdb")


def noise(nb_samples, nb_channels=2, seed=0):
    """Full-scale noise (nb_samples, nb_channels), the same for the same seed."""
    return np.random.default_rng(seed).uniform(-1, 1, (nb_samples, nb_channels)).astype(np.float32)


def samples(seed, nb_samples=800, nb_channels=2):
    """Noise of 16 bits (nb_samples, nb_channels), the same for the same seed, quiet enough to be summed."""
    return np.random.default_rng(seed).integers(-4000, 4000, (nb_samples, nb_channels), np.int16)


def write_tree(root, songs, rate=8000, suffix=".wav"):
    """Write songs {"train/Song": {"vocals": audio, ...}, ...} as sound files under `root`, which is returned."""
    for song, stems in songs.items():
        (root / song).mkdir(parents=True)
        for name, audio in stems.items():
            soundfile.write(root / song / f"{name}{suffix}", audio, rate)
    return root


def write_corpus(root, sources, songs, subtype="PCM_16"):
    """A corpus of songs {"split/name": (rate, {stem: audio (nb_samples, nb_channels)})}."""
    described = []
    for place, (rate, stems) in songs.items():
        split, name = place.split("/")
        subset = "test" if split == "test" else "train"
        for stem, audio in stems.items():
            write_wav(root / subset / name / f"{stem}.wav", [audio], rate, subtype)
        described.append(Song(name, subset, split, rate, *audio.shape))
    corpus = Corpus(root, "small", tuple(sources), tuple(described))
    corpus.write()
    return corpus
