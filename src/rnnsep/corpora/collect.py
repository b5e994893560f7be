"""Collect any corpus into one tree of WAV files; the section `corpus` of params.yaml."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from rnnsep.corpora import folder, mir1k, musdb18
from rnnsep.corpora.location import LocationParams, songs_folder, sounds_path
from rnnsep.corpora.original import Original
from rnnsep.corpora.sources import choose
from rnnsep.corpora.synthetic.corpus import SyntheticParams, compositions
from rnnsep.corpora.tree import make_songs
from rnnsep.params import ParamError
from rnnsep.running.errors import UserError
from rnnsep.running.listing import composed, folded
from rnnsep.signal.corpus import MIXTURE, Corpus

DOWNLOADS = Path("data/downloads")
FOLD = re.compile(r"fold-(\d+)/(\d+)")
VALIDATION = 10  # one in VALIDATION training songs is used for validation if the corpus names none


@dataclass(frozen=True, kw_only=True)
class CorpusParams(LocationParams):
    """Section `corpus` of params.yaml.

    `sources` selects and orders sources (None: all); `mixing` is an option of MIR-1K; `validation` is "own", "none", a
    fold of the training songs, or a pattern of their names.
    """

    sources: tuple[str, ...] | None
    mixing: mir1k.Mixing
    validation: str
    synthetic: SyntheticParams

    def check(self) -> None:
        super().check()
        if fold := FOLD.fullmatch(self.validation):
            number, count = map(int, fold.groups())
            if not 1 <= number <= count or count < 2:
                raise ParamError("validation", f"must be a fold from 1/2 on, such as fold-1/5, not {self.validation}")
        if self.mixing != "published" and self.name != "mir-1k":
            raise ParamError("mixing", f"must be published, since corpus.name is {self.name}; only mir-1k has another")
        if self.sources is not None:
            names = {folded(name) for name in self.sources}
            if not names:
                raise ParamError("sources", "must name at least one source, or be null for all")
            if len(names) < len(self.sources):
                raise ParamError("sources", "names a source twice")
            if MIXTURE in names:
                raise ParamError("sources", "mixture is not a source")


def make_corpus(root: Path, corpus: CorpusParams) -> None:
    """Collect the corpus into the tree and corpus.json under `root`.

    Raises `UserError` for faulty songs, an impossible choice of sources, or errors of the disk.
    """
    try:
        _make_corpus(corpus, root)
    except OSError as error:
        raise UserError(f"{error.filename or root}: {error.strerror}; fix this and run again") from None


def _make_corpus(params: CorpusParams, root: Path) -> None:
    originals = with_validation(_originals(params), params.validation)
    for subset in ("train", "test"):
        if not any(original.subset == subset for original in originals):
            raise UserError(f"corpus {params.name}: no songs in {subset}/; training and scores need both subsets")
    choice = choose([folded(source) for source in params.sources or ()], originals)
    if choice.rest is not None:
        print(f"sources: {', '.join(choice.named)}, and {choice.rest} for everything else in the songs", flush=True)
    root.mkdir(parents=True, exist_ok=True)
    songs = make_songs(originals, choice, root)
    Corpus(root, params.name, choice.sources, songs).write()


def _originals(params: CorpusParams) -> Sequence[Original]:
    if params.name == "synthetic":
        return compositions(params.synthetic, sounds_path(params))
    path = songs_folder(params)
    if params.name in ("musdb18-7s", "musdb18", "musdb18-hq"):
        return musdb18.recordings(params.name, path, DOWNLOADS)
    if path is None:
        raise ParamError("corpus.path", f"must be the folder of the songs, since corpus.name is {params.name}")
    if params.name == "mir-1k":
        return mir1k.recordings(path, params.mixing)
    return folder.recordings(path)


def with_validation(songs: Sequence[Original], choice: str) -> Sequence[Original]:
    """The songs with the validation songs of `choice` (see `CorpusParams`).

    A corpus without validation songs of its own has a tenth of the training songs (at least one), chosen by a hash of
    their names. Folds divide all training songs by the same hash; their sizes differ by one at most.
    """
    train = [song for song in songs if song.subset == "train"]
    names = sorted((song.name for song in train), key=_digest)
    fold = FOLD.fullmatch(choice)
    if choice == "none":
        chosen: set[str] = set()
    elif fold:
        number, count = map(int, fold.groups())
        if count > len(train):
            raise ParamError("corpus.validation", f"{choice}: there are only {len(train)} training songs")
        chosen = set(names[number - 1 :: count])
    elif choice != "own":
        chosen = {name for name in names if fnmatchcase(name, composed(choice))}
        if not chosen:
            raise ParamError("corpus.validation", f"no training song has a name like {choice}")
    else:
        tenth = names[: max(1, round(len(names) / VALIDATION))]
        chosen = {song.name for song in train if song.split == "valid"} or set(tenth)
    if chosen and len(chosen) == len(train):
        raise UserError("corpus: all training songs are for validation; add others, or set corpus.validation: none")
    return [
        replace(song, split="valid" if song.name in chosen else "train") if song.subset == "train" else song
        for song in songs
    ]


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()
