"""The readers of files that a user can spoil, one entry each; whatever a file holds, they read it or raise `UserError`.

tests/test_readers.py changes good files at random. Where atheris is installed, which follows the code's branches,

    python -m tests.fuzz READER [SECONDS]

lets it change them, and ends with a traceback at the first error that is not a `UserError`.
"""

import io
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

try:
    import atheris
except ImportError:
    instrumented = nullcontext()
else:
    instrumented = atheris.instrument_imports(include=["json", "rnnsep", "yaml", "zipfile"])

with instrumented:
    import yaml  # noqa: F401 - its branches are to be followed

    from rnnsep import params
    from rnnsep.features.storage import FeatureSong, map_array, open_features
    from rnnsep.running.errors import UserError
    from rnnsep.signal.audio import AudioFile
    from rnnsep.signal.corpus import Corpus, Song
    from rnnsep.signal.decoding import decode
    from rnnsep.signal.stft import StftParams
    from rnnsep.tables import reading

ROOT = Path(__file__).resolve().parents[1]
STFT = StftParams(sample_rate=8000, window=256, hop=128, channels="mono", taper="hann")


@dataclass(frozen=True)
class Reader:
    """`read` is given the path of a file called `name`, which at first holds `good`."""

    name: str
    good: Callable[[], bytes]
    read: Callable[[Path], Any]


def written(write: Callable[[io.BytesIO], object]) -> Callable[[], bytes]:
    def make() -> bytes:
        buffer = io.BytesIO()
        write(buffer)
        return buffer.getvalue()

    return make


def text(content: Any) -> Callable[[], bytes]:
    return lambda: json.dumps(content, indent=1).encode()


def read_params(path: Path) -> None:
    document = params.read_yaml(path)
    params.refuse_unknown(document, set(params.leaves(params.read_yaml(ROOT / "params.yaml"))), path)
    params.select(StftSection, document)


@dataclass(frozen=True)
class StftSection:
    stft: StftParams


def read_audio(path: Path) -> None:
    with AudioFile(path) as audio:
        for block in audio.blocks():
            assert np.isfinite(block).all()


def sound(suffix: str, subtype: str = "PCM_16") -> Callable[[], bytes]:
    audio = np.random.default_rng(0).uniform(-0.1, 0.1, (300, 2))
    return written(lambda buffer: soundfile.write(buffer, audio, 8000, subtype, format=suffix))


ARRAY = np.ones((2, 2, 129, 1, 2), np.float16)
SONG = Song("a", "train", "train", 8000, 100, 1)
FRAME = {"time": 0.0, "duration": 1.0, "metrics": {"SDR": 1.0, "ISR": 2.0}}
READERS = {
    "params": Reader("params.yaml", lambda: (ROOT / "params.yaml").read_bytes(), read_params),
    "corpus": Reader(
        "corpus.json",
        text({"name": "x", "sources": {"vocals": "vocals.wav"}, "songs": [asdict(SONG)]}),
        lambda path: Corpus.read(path.parent),
    ),
    "features": Reader(
        "features.json",
        text({"sources": ["a"], "stft": asdict(STFT), "songs": [asdict(FeatureSong("a", "train", 2))]}),
        lambda path: open_features(path.parent),
    ),
    "npy": Reader("song.npy", written(lambda buffer: np.save(buffer, ARRAY)), map_array),
    "scores": Reader(
        "song.json",
        text({"targets": [{"name": "vocals", "frames": [FRAME, FRAME]}]}),
        lambda path: reading.read_scores(path.parent),
    ),
    "wav": Reader("a.wav", sound("WAV"), read_audio),
    "float wav": Reader("a.wav", sound("WAV", "FLOAT"), read_audio),
    "flac": Reader("a.flac", sound("FLAC"), read_audio),
    "container": Reader("a.mp4", sound("OGG", "VORBIS"), lambda path: [len(block) for block in decode(path)[1]]),
}


def attempt(reader: Reader, content: bytes, folder: Path) -> None:
    """Read `content`, which must end well or in one line."""
    path = folder / reader.name
    path.write_bytes(content)
    try:
        reader.read(path)
    except UserError as error:
        assert "\n" not in str(error), str(error)


def main() -> None:
    """Let atheris change a good file for so many seconds, 60 by default."""
    name, *rest = sys.argv[1:]
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        (corpus / "good").write_bytes(reader.good())
        options = [f"-max_total_time={rest[0] if rest else 60}", "-timeout=20", "-rss_limit_mb=4096", str(corpus)]
        atheris.Setup(["fuzz", *options], lambda content: attempt(reader, content, Path(folder)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
