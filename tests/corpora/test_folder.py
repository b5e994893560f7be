"""A user's own folder of songs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rnnsep.corpora import folder
from rnnsep.running.errors import UserError

Noise = Callable[..., NDArray[np.int16]]


def test_subsets_and_validation_come_from_folders(
    tmp_path: Path, noise: Noise, write_tree: Callable[..., Path]
) -> None:
    songs = {song: {"zither": noise(0), "mixture": noise(1)} for song in ("train/b", "train/a", "valid/c", "test/a")}
    recordings = folder.recordings(write_tree(tmp_path, songs, rate=11025, suffix=".flac"))
    assert [(song.name, song.subset, song.split) for song in recordings] == [
        ("a", "test", "test"),
        ("a", "train", "train"),
        ("b", "train", "train"),
        ("c", "train", "valid"),
    ]
    assert recordings[0].stems["zither"].read()[:2] == (11025, "PCM_16")


def test_other_files_and_hidden_ones_are_passed_over(small_tree: Path) -> None:
    nb_songs = len(folder.recordings(small_tree))
    (small_tree / "train" / "a" / "notes.txt").write_text("loud")
    (small_tree / "train" / "a" / "._drums.wav").write_bytes(b"")
    (small_tree / "train" / "list.txt").write_text("a b c")
    (small_tree / "train" / ".hidden").mkdir()
    assert len(folder.recordings(small_tree)) == nb_songs
    assert set(folder.recordings(small_tree)[2].names) == {"mixture", "drums", "vocals"}


def test_a_song_without_stems_is_named(tmp_path: Path, noise: Noise, write_tree: Callable[..., Path]) -> None:
    write_tree(tmp_path, {"train/lonely": {"mixture": noise(0)}})
    with pytest.raises(UserError, match="lonely: has no stem"):
        folder.recordings(tmp_path)


def test_a_stem_in_two_formats_is_rejected(small_tree: Path, noise: Noise, write_tree: Callable[..., Path]) -> None:
    (small_tree / "train" / "a" / "drums.flac").write_bytes(b"")
    with pytest.raises(UserError, match=r"drums\.flac and drums\.wav are both its drums; remove one"):
        folder.recordings(small_tree)


@pytest.mark.parametrize("name", ["mix", "Mixture", "MIX"])
def test_mix_in_any_case_is_the_mixture(small_tree: Path, name: str) -> None:
    for mixture in small_tree.rglob("mixture.wav"):
        mixture.rename(mixture.with_stem(name))
    (small_tree / "train" / "a" / "drums.wav").rename(small_tree / "train" / "a" / "Drums.WAV")
    for song in folder.recordings(small_tree):
        assert set(song.names) == {"mixture", "drums", "vocals"}


def test_two_mixtures_are_rejected(small_tree: Path) -> None:
    (small_tree / "train" / "a" / "mix.wav").write_bytes(b"")
    with pytest.raises(UserError, match=r"a: mix\.wav and mixture\.wav are both its mixture; remove one"):
        folder.recordings(small_tree)


def test_hidden_and_system_entries_are_neither_songs_nor_stems(small_tree: Path) -> None:
    before = folder.recordings(small_tree)
    for name in ("._drums.wav", "Thumbs.db", "desktop.ini", ".DS_Store"):
        (small_tree / "train" / "a" / name).write_bytes(b"no audio")
    for name in ("@eaDir", "__MACOSX", ".@__thumb"):
        (small_tree / "train" / name).mkdir()
        (small_tree / "train" / name / "drums.wav").write_bytes(b"no audio")
    assert folder.recordings(small_tree) == before


def test_links_to_songs_work(small_tree: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    for subset in ("train", "test"):
        (links / subset).mkdir(parents=True)
        for song in (small_tree / subset).iterdir():
            (links / subset / song.name).symlink_to(song, target_is_directory=True)
    assert [song.name for song in folder.recordings(links)] == [song.name for song in folder.recordings(small_tree)]


def test_stems_in_compressed_formats_are_stems(small_tree: Path, noise: Noise) -> None:
    """A stem that is not WAV or FLAC must not vanish from the sum of the stems."""
    song = small_tree / "train" / "a"
    soundfile.write(song / "bass.mp3", noise(5), 8000, format="MP3")
    soundfile.write(song / "drums.ogg", noise(6), 8000, format="OGG")  # of drums.wav there is a WAV file
    (found,) = (one for one in folder.recordings(small_tree) if one.name == "a")
    assert set(found.names) == {"mixture", "drums", "vocals", "bass"}
    assert found.stems["drums"].path.name == "drums.wav"
    rate, _, blocks = found.stems["bass"].read()
    decoded = np.concatenate(list(blocks)) * 32768
    assert rate == 8000
    assert len(decoded) == pytest.approx(800, abs=1200)


def test_case_does_not_matter_in_the_names_of_subsets(small_tree: Path) -> None:
    names = [(song.name, song.subset) for song in folder.recordings(small_tree)]
    (small_tree / "train").rename(small_tree / "Train")
    (small_tree / "test").rename(small_tree / "TEST")
    assert [(song.name, song.subset) for song in folder.recordings(small_tree)] == names
