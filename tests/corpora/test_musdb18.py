"""MUSDB18 in its three forms."""

import shutil
import zipfile

import numpy as np
import pytest

from rnnsep.corpora import downloads, musdb18
from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.decoding import decode
from tests.corpora.test_tree import make
from tests.sound import musdb, samples, write_tree

STEMS = ("mixture", "drums", "bass", "other", "vocals")


@pytest.fixture
def hq(tmp_path):
    """A tree like MUSDB18-HQ's; musdb uses its second song for validation."""
    songs = {song: {stem: samples(0, 80) for stem in STEMS} for song in ("train/A - B", "train/ANiMAL - Rockshow")}
    return write_tree(tmp_path / "hq", songs | {"test/C - D": {stem: samples(1, 80) for stem in STEMS}}, rate=44100)


def stem_files(root):
    for song in ("train/A - B", "train/ANiMAL - Rockshow", "test/C - D"):
        path = root / f"{song}.stem.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize("hidden", [False, True])
def test_songs_are_those_of_musdb(hq, tmp_path, hidden):
    database = musdb().DB(root=str(hq), is_wav=True)
    valid = database.setup["validation_tracks"]
    expected = {
        (track.name, track.subset, "valid" if track.subset == "train" and track.name in valid else track.subset)
        for track in database.tracks
    }
    stems = stem_files(tmp_path / "stems")
    for name in ("accompaniment", "linear_mixture"):  # which other tools add
        shutil.copy(hq / "train/A - B/vocals.wav", hq / f"train/A - B/{name}.wav")
    for folder in [*hq.glob("t*"), *stems.glob("t*")] if hidden else []:  # musdb takes these for songs
        (folder / "._A - B.stem.mp4").touch()
        for name in (".@__thumb/mixture.wav", "@eaDir/mixture.wav", ".@__thumb/A - B.stem.mp4"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
    for name, root in (("musdb18-hq", hq), ("musdb18", stems)):
        songs = musdb18.recordings(name, root, tmp_path)
        assert {(song.name, song.subset, song.split) for song in songs} == expected
        assert len(songs) == len(expected)
        for song in songs:
            assert song.names == ("mixture", *database.tracks[0].sources) == ("mixture", "vocals", *STEMS[1:4])
            streams = {source: stem.stream for source, stem in song.stems.items()}
            assert streams == (database.setup["stem_ids"] if root == stems else dict.fromkeys(STEMS))
    assert set(musdb18.VALIDATION) == set(valid)


@pytest.mark.parametrize("name", list(musdb18.ARCHIVES))
def test_a_folder_without_songs_is_named(name, hq, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder, line in (("empty", "$"), ("stems" if name == "musdb18-hq" else "hq", "; set corpus.name to musdb18")):
        stem_files(tmp_path / "stems")
        with pytest.raises(UserError, match=rf"corpus\.path: .*/{folder} holds no .* in train/ or test/{line}"):
            musdb18.recordings(name, tmp_path / folder, tmp_path)


@pytest.mark.parametrize("prefix", ["", "musdb18hq/"])
def test_a_zip_that_was_fetched_leads_to_songs(prefix, hq, tmp_path, monkeypatch):
    path = tmp_path / "downloads" / "musdb18-hq.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(hq.rglob("*.wav")):
            archive.write(file, f"{prefix}{file.relative_to(hq)}")
    monkeypatch.setattr(downloads, "fetch", lambda *_: None)
    songs = musdb18.recordings("musdb18-hq", None, path.parent)
    assert [song.name for song in songs] == ["C - D", "A - B", "ANiMAL - Rockshow"]
    assert [file.name for file in path.parent.iterdir()] == ["musdb18-hq"]


@pytest.mark.real
def test_stems_are_decoded_and_the_mixture_is_the_file_s_own(shared_data, tmp_path):
    songs = musdb18.recordings("musdb18-7s", shared_data / "musdb18-7s", tmp_path)
    assert len(songs) == 108
    assert sum(song.split == "valid" for song in songs) == 14
    (song,) = make(songs[-1:], ["vocals", "drums"], tmp_path / "out")
    assert (song.rate, song.nb_channels) == (44100, 2)
    for name, stream in {"mixture": 0, "drums": 1, "vocals": 4}.items():
        decoded = np.concatenate(list(decode(songs[-1].stems[name].path, stream)[1]))
        written = AudioFile(tmp_path / "out" / songs[-1].title / f"{name}.wav")[:]
        np.testing.assert_allclose(written, np.clip(decoded, -1, 1), atol=1 / 32768)
