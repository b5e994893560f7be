"""MUSDB18 in its three forms."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnsep.corpora import musdb18
from rnnsep.corpora.downloads import Archive
from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.decoding import decode
from tests.corpora.test_tree import make

SONGS = ("train/A - B", "train/ANiMAL - Rockshow", "test/C - D")
STEMS = ("mixture", "drums", "bass", "other", "vocals")


@pytest.fixture
def hq(tmp_path: Path, noise: Callable[..., NDArray[np.int16]], write_tree: Callable[..., Path]) -> Path:
    """A wav tree like MUSDB18-HQ's; musdb uses its second song for validation."""
    return write_tree(tmp_path / "hq", {song: {stem: noise(0) for stem in STEMS} for song in SONGS}, rate=44100)


def test_musdb_lists_songs_and_splits(hq: Path, tmp_path: Path) -> None:
    songs = musdb18.recordings("musdb18-hq", hq, tmp_path)
    assert [(song.name, song.subset, song.split) for song in songs] == [
        ("A - B", "train", "train"),
        ("ANiMAL - Rockshow", "train", "valid"),
        ("C - D", "test", "test"),
    ]
    assert songs[0].names == ("mixture", "vocals", "drums", "bass", "other")


def test_a_download_is_used_where_no_path_is_given(hq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch_folder(name: str, archive: Archive, downloads: Path) -> Path:
        asked.append((name, archive, downloads))
        return hq.parent  # the tree may be in a folder of the archive

    monkeypatch.setattr(musdb18, "fetch_folder", fetch_folder)
    assert len(musdb18.recordings("musdb18-hq", None, tmp_path)) == 3
    assert asked == [("musdb18-hq", musdb18.ARCHIVES["musdb18-hq"], tmp_path)]


@pytest.mark.parametrize("name", list(musdb18.ARCHIVES))
def test_a_folder_without_songs_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus\.path: .* in train/ or test/"):
        musdb18.recordings(name, tmp_path, tmp_path)


def test_archives_are_named_as_zenodo_does() -> None:
    for archive in musdb18.ARCHIVES.values():
        assert archive.url.startswith("https://zenodo.org/records/")
        algorithm, _, digest = archive.checksum.partition(":")
        assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]


@pytest.mark.real
def test_stems_are_decoded_and_the_mixture_is_the_file_s_own(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "1")
    songs = musdb18.recordings("musdb18-7s", shared_data / "musdb18-7s", tmp_path)
    assert len(songs) == 108
    assert sum(song.split == "valid" for song in songs) == 14
    (song,) = make(songs[-1:], ["vocals", "drums"], tmp_path / "out")
    assert (song.rate, song.nb_channels) == (44100, 2)
    path = next(iter(songs[-1].stems.values())).path
    for name, stream in {"mixture": 0, "drums": 1, "vocals": 4}.items():
        decoded = np.concatenate(list(decode(path, stream)[1]))
        written = AudioFile(tmp_path / "out" / song.subset / song.name / f"{name}.wav")[:]
        np.testing.assert_allclose(written, np.clip(decoded, -1, 1), atol=1 / 32768)


def test_zip_of_the_published_kind_leads_to_songs(hq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a zip that has been fetched to songs, without the network."""
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    with zipfile.ZipFile(downloads / "musdb18-hq.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(hq.rglob("*.wav")):
            archive.write(path, path.relative_to(hq))
    monkeypatch.setattr("rnnsep.corpora.downloads.fetch", lambda *_: None)
    songs = musdb18.recordings("musdb18-hq", None, downloads)
    assert [song.name for song in songs] == ["A - B", "ANiMAL - Rockshow", "C - D"]
    assert not (downloads / "musdb18-hq.zip").exists()
