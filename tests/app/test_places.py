"""Which files are songs, and how their folders are named."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsep.app.places import places, song_name

NFC, NFD = (unicodedata.normalize(form, "Beyoncé.wav") for form in ("NFC", "NFD"))
CASES = {
    # files, inputs (all below one folder), folders in the order of the songs
    "stems of Native Instruments": ("test/X.stem.mp4 test/Y.STEM.m4a", "test", "X Y"),
    "MUSDB18-HQ, mixtures": ("A/mixture.wav A/vocals.wav B/mixture.wav", "A/mixture.wav B/mixture.wav", "A B"),
    "MUSDB18-HQ, root": ("r/test/A/mixture.wav r/test/A/drums.wav r/b.wav", "r", "b test/A"),
    "one song of MUSDB18-HQ": ("A/mixture.flac A/vocals.flac", "A", "A"),
    "equal names, other folders": ("a/s.wav b/s.wav", "a/s.wav b/s.wav", "a b"),
    "two discs": ("1/01.wav 1/02.wav 2/01.wav", "1/01.wav 1/02.wav 2/01.wav", "1/01 02 2"),
    "other extensions": ("s.wav s.flac o.wav", "s.wav s.flac o.wav", "s.wav s.flac o"),
    "other extensions in a folder": ("f/s.wav f/s.m4a f/s.stem.m4a", "f", "s.m4a s.stem.m4a s.wav"),
    "given twice": ("f/s.wav", "f/s.wav f f/s.wav", "s"),
    "dots": ("f/...Baby.wav f/..Hits/a.wav f/...wav f/._x.wav f/.y.wav", "f", "...Baby ...wav ..Hits/a"),
    "a hidden file by name": (".y.wav", ".y.wav", ".y"),
    "systems' folders": ("f/@eaDir/a.wav f/__MACOSX/b.wav f/.@__thumb/c.wav f/d.wav f/cover.jpg", "f", "d"),
    "a tree": ("f/x/a.wav f/x/y/a.wav f/a.wav", "f", "a x/a x/y/a"),
    "any extension by name": ("song.bin", "song.bin", "song"),
}


def touch(root, files):
    for file in files.split():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


@pytest.mark.parametrize("case", CASES)
def test_folders_are_named_after_the_songs(case, tmp_path, monkeypatch):
    files, inputs, expected = CASES[case]
    touch(tmp_path, files)
    for prefix in (tmp_path, Path()):
        monkeypatch.chdir(tmp_path)
        found = places([prefix / path for path in inputs.split()], Path("out"))
        assert [song.folder.relative_to("out").as_posix() for song in found] == expected.split()
        assert {song.state for song in found} == {"written"}


def test_the_folder_of_a_mixture_is_found_from_inside(tmp_path, monkeypatch):
    touch(tmp_path, "A/mixture.wav")
    monkeypatch.chdir(tmp_path / "A")
    for path in ("mixture.wav", ".", "../A/mixture.wav"):
        assert [song.folder for song in places([Path(path)], Path("out"))] == [Path("out/A")]


def test_links_are_followed_under_their_own_names_and_never_in_a_circle(tmp_path):
    touch(tmp_path, "album/song.wav elsewhere/mixture.wav")
    (tmp_path / "album" / "disc 2").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "album" / "circle").symlink_to(tmp_path / "album")
    assert [song.folder for song in places([tmp_path / "album"], Path())] == [Path("disc 2"), Path("song")]


@pytest.mark.parametrize(("given_name", "on_disk"), [(NFC, NFD), (NFD, NFC)])
def test_a_name_is_found_in_another_normalisation(tmp_path, given_name, on_disk):
    touch(tmp_path / on_disk, on_disk)
    (song,) = places([tmp_path / given_name / given_name], Path())
    assert song.path == tmp_path / on_disk / on_disk


def test_what_cannot_be_placed_fails_at_once(tmp_path):
    touch(tmp_path, "x/A/mixture.wav y/A/mixture.wav")
    (tmp_path / "void").mkdir()
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    odd.touch()
    inputs = [tmp_path / name for name in ("x/A/mixture.wav", "y/A/mixture.wav", "void")]
    first, second, void, name = places([*inputs, odd], Path("out"))
    assert (first.state, second.state, void.state, name.state) == ("written", "failed", "failed", "failed")
    assert str(first.path) in second.message and "give it another --output" in second.message
    assert void.message == f"{tmp_path / 'void'}: holds no audio file"
    assert "caf\\udce9.wav': the name is not UTF-8; rename the file" in name.message


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_a_name_is_one_part_of_a_path_below_the_output(name):
    if name.strip("."):
        assert (Path("out") / song_name(Path("folder") / name)).parent == Path("out")
        assert song_name(Path("folder") / name) not in ("", ".", "..")
