"""MUSDB18 in its three forms [1]_: excerpts of 7 s, whole songs, and uncompressed songs.

The first two are `.stem.mp4` files whose five streams are AAC. They are decoded to 16-bit WAV; the mixture is the
file's own, as in SiSEC 2018, and so differs slightly from the sum of the decoded stems.

.. [1] Z. Rafii, A. Liutkus, F.-R. Stöter, S. I. Mimilakis, R. Bittner, "The MUSDB18 corpus for music separation",
   2017, doi:10.5281/zenodo.1117372.
"""

from pathlib import Path

from rnnsep.corpora import folder
from rnnsep.corpora.downloads import Archive, fetch_folder
from rnnsep.corpora.original import Recording, Stem
from rnnsep.running.errors import UserError
from rnnsep.running.listing import composed, listed

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
STEM_FILE = ".stem.mp4"
STREAMS = {"mixture": 0, "vocals": 4, "drums": 1, "bass": 2, "other": 3}
# fmt: off
VALIDATION = (  # the training songs that musdb has for validation
    "Actions - One Minute Smile", "Clara Berry And Wooldog - Waltz For My Victims", "Johnny Lokke - Promises & Lies",
    "Patrick Talbot - A Reason To Leave", "Triviul - Angelsaint", "Alexander Ross - Goodbye Bolero",
    "Fergessen - Nos Palpitants", "Leaf - Summerghost", "Skelpolu - Human Mistakes", "Young Griffo - Pennies",
    "ANiMAL - Rockshow", "James May - On The Line", "Meaxic - Take A Step", "Traffic Experiment - Sirens",
)
# fmt: on


def recordings(name: str, path: Path | None, downloads: Path) -> list[Recording]:
    """The songs of corpus `name`, from folder `path` or else downloaded to `downloads`, or as many as are there.

    Raises `UserError` if `path` holds none.
    """
    path = path or fetch_folder(name, ARCHIVES[name], downloads)
    root = folder.subsets_root(path)
    is_wav = name == "musdb18-hq"
    songs = [
        Recording(song, subset, "valid" if subset == "train" and song in VALIDATION else subset, stems)
        for subset, _, place in folder.subsets(root)
        for song, stems in (_wav_songs if is_wav else _stem_files)(place).items()
    ]
    if not songs:
        kind = "folders of WAV files" if is_wav else f"{STEM_FILE} files"
        other = any(root.glob(f"*/*{STEM_FILE}")) if is_wav else any(root.glob("*/*/mixture.wav"))
        advice = f"; set corpus.name to {'musdb18' if is_wav else 'musdb18-hq'}" if other else ""
        raise UserError(f"corpus.path: {path} holds no {kind} in train/ or test/{advice}")
    return songs


def _stem_files(place: Path) -> dict[str, dict[str, Stem]]:
    return {
        composed(file.name[: -len(STEM_FILE)]): {name: Stem(file, at) for name, at in STREAMS.items()}
        for file in listed(place)
        if file.name.lower().endswith(STEM_FILE)
    }


def _wav_songs(place: Path) -> dict[str, dict[str, Stem]]:
    songs = {}
    for song in folder.song_folders(place):
        if stems := folder.song_stems(song):  # among them sums that other tools add, such as linear_mixture
            songs[composed(song.name)] = {name: stems[name] for name in STREAMS if name in stems}
    return songs
