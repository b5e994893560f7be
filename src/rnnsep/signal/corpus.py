"""The corpus on disk: corpus.json and the tree `<subset>/<song>/{mixture,<source>...}.wav`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from rnnsep import params
from rnnsep.params import Range
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile

NAME = "corpus.json"
MIXTURE = "mixture"


@dataclass(frozen=True, kw_only=True)
class SplitParams:
    """The key of section `evaluation` that says which songs are separated and scored."""

    split: Literal["test", "valid"]


@dataclass(frozen=True, kw_only=True)
class EvaluationParams(SplitParams):
    """Section `evaluation` of params.yaml."""

    engine: Literal["fast", "museval"]  # the same scores
    window: Annotated[float, Range(0.01)]  # seconds
    hop: Annotated[float, Range(0.01)]  # seconds
    version: Literal["v4", "v3", "v2"]


@dataclass(frozen=True)
class Song:
    """One song; `rate` in Hz, `nb_samples` per channel."""

    name: str
    subset: Literal["train", "test"]
    split: Literal["train", "valid", "test"]
    rate: Annotated[int, Range(1)]
    nb_samples: Annotated[int, Range(1)]
    nb_channels: Annotated[int, Range(1)]


@dataclass(frozen=True)
class Corpus:
    """A folder of songs and the names of their sources; songs are sorted by subset and name."""

    root: Path
    name: str
    sources: tuple[str, ...]
    songs: tuple[Song, ...]

    @classmethod
    def read(cls, root: Path) -> "Corpus":
        """The corpus in folder `root`. Raises `UserError` if its corpus.json is missing or damaged."""
        path = Path(root) / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            songs = tuple(params.parse(Song, song, "song") for song in content["songs"])
            corpus = cls(Path(root), str(content["name"]), tuple(content["sources"]), songs)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; run dvc repro download") from None
        except (ValueError, LookupError, TypeError, RecursionError, UserError) as error:
            raise UserError(f"{path}: damaged ({error}); remove it and run dvc repro download") from None
        for part in (*corpus.sources, *(song.name for song in songs)):
            if not isinstance(part, str) or part in ("", ".", "..") or "/" in part:
                raise UserError(f"{path}: damaged ({part!r} is not a file name)")
        return corpus

    def write(self) -> None:
        """Write corpus.json, which is also a setup file of musdb.

        `musdb.DB(root, setup_file="corpus.json", is_wav=True)` then reads the corpus and its split.
        """
        rates = sorted({song.rate for song in self.songs})
        targets = {source: {source: 1} for source in self.sources}
        accompaniment = {source: 1 for source in self.sources if source != "vocals"}
        if "vocals" in self.sources and "accompaniment" not in self.sources and accompaniment:
            targets["accompaniment"] = accompaniment
        targets["linear_mixture"] = dict.fromkeys(self.sources, 1)
        files.write_json(
            self.root / NAME,
            {
                "name": self.name,
                "sample_rate": rates[0] if len(rates) == 1 else None,
                "mixture": f"{MIXTURE}.wav",
                "sources": {source: f"{source}.wav" for source in self.sources},
                "stem_ids": {name: index for index, name in enumerate((MIXTURE, *self.sources))},
                "targets": targets,
                "validation_tracks": [song.name for song in self.songs if song.split == "valid"],
                "songs": [asdict(song) for song in self.songs],
            },
        )

    def of(self, subset: str) -> tuple[Song, ...]:
        """The songs of a subset, train or test."""
        return tuple(song for song in self.songs if song.subset == subset)

    def of_split(self, split: str) -> tuple[Song, ...]:
        """The songs of a split: train, valid or test."""
        return tuple(song for song in self.songs if song.split == split)

    def stem(self, song: Song, name: str) -> AudioFile:
        """The audio of `song` for "mixture" or the name of a source."""
        return AudioFile(self.root / song.subset / song.name / f"{name}.wav")
