"""A user's own folder of songs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
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
    with pytest.raises(UserError, match="drums is there as wav and as flac"):
        folder.recordings(small_tree)


def test_links_to_songs_work(small_tree: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    for subset in ("train", "test"):
        (links / subset).mkdir(parents=True)
        for song in (small_tree / subset).iterdir():
            (links / subset / song.name).symlink_to(song, target_is_directory=True)
    assert [song.name for song in folder.recordings(links)] == [song.name for song in folder.recordings(small_tree)]
