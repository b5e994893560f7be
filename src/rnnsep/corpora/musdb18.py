"""MUSDB18 in its three forms, described by musdb [1]_: excerpts of 7 s, whole songs, and uncompressed songs.

The first two are `.stem.mp4` files whose five streams are AAC. They are decoded to 16-bit wav; the mixture is the
file's own, as in SiSEC 2018, and so differs slightly from the sum of the decoded stems.

.. [1] Z. Rafii et al., "The MUSDB18 corpus for music separation", 2017, doi:10.5281/zenodo.1117372.
"""

from pathlib import Path
from typing import Any, Literal

from rnnsep.corpora.downloads import Archive, fetch_folder
from rnnsep.corpora.tree import Recording, Stem
from rnnsep.running.errors import UserError
from rnnsep.running.listing import is_hidden
from rnnsep.signal import sigsep

ARCHIVES = {
    "musdb18-7s": Archive(
        "https://zenodo.org/records/3270814/files/MUSDB18-7-STEMS.zip?download=1",
        147_209_385,
        "md5:dc2bdfac5b46ce742bd60009866758a5",
    ),
    "musdb18": Archive(
        "https://zenodo.org/records/1117372/files/musdb18.zip?download=1",
        4_684_228_845,
        "md5:af06762477334799bfc5abf237648207",
    ),
    "musdb18-hq": Archive(
        "https://zenodo.org/records/3338373/files/musdb18hq.zip?download=1",
        22_656_664_047,
        "sha256:baac80d0483c61d74b2e5f3be75fa557eec52898339e6aa45c1fa48833c5d21d",
    ),
}


def recordings(name: str, path: Path | None, downloads: Path) -> list[Recording]:
    """The songs of corpus `name`, from folder `path` or else downloaded to `downloads`, or as many as are there.

    Raises `UserError` if `path` holds none.
    """
    root = path or _root(fetch_folder(name, ARCHIVES[name], downloads))
    is_wav = name == "musdb18-hq"
    database = sigsep.musdb().DB(root=str(root), is_wav=is_wav)
    validation = database.setup["validation_tracks"]
    songs = []
    for track in database.tracks:
        if is_hidden(Path(track.path).name):
            continue
        stems = {"mixture": _stem(track, is_wav)}
        stems |= {source: _stem(track.sources[source], is_wav) for source in track.sources}
        subset: Literal["train", "test"] = track.subset
        valid = subset == "train" and track.name in validation
        songs.append(Recording(track.name, subset, "valid" if valid else subset, stems))
    if not songs:
        kind = "folders of wav files" if is_wav else ".stem.mp4 files"
        other = any(root.glob("*/*.stem.mp4")) if is_wav else any(root.glob("*/*/mixture.wav"))
        advice = f"; set corpus.name to {'musdb18' if is_wav else 'musdb18-hq'}" if other else ""
        raise UserError(f"corpus.path: {root} holds no {kind} in train/ or test/{advice}")
    return songs


def _stem(audio: Any, is_wav: bool) -> Stem:
    return Stem(Path(audio.path), None if is_wav else audio.stem_id)


def _root(folder: Path) -> Path:
    """`folder`, or the one folder in it that has the subsets."""
    return next((place for place in (folder, *sorted(folder.iterdir())) if (place / "train").is_dir()), folder)
