"""A user's own folder of songs, in the layouts that people have."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rnnsep.corpora import folder
from rnnsep.running.errors import UserError
from tests.corpora.test_collect import made

SONGS = ("train/Gesänge", "train/b", "test/e")
PLAIN = [f"{song}/{stem}.wav" for song in SONGS for stem in ("drums", "flûte", "mixture")]
DSD100 = [
    *(f"Sources/{subset}/s/{stem}.wav" for subset in ("Dev", "Test") for stem in ("bass", "vocals")),
    *(f"Mixtures/{subset}/s/mixture.wav" for subset in ("Dev", "Test")),
]
SLAKH = [f"{subset}/Track1/{file}" for subset in ("train", "validation") for file in ("mix.flac", "stems/S01.flac")]
MEDLEYDB = ["A_B/A_B_MIX.wav", "A_B/A_B_STEMS/A_B_STEM_01.wav", "A_B/A_B_RAW/A_B_RAW_01_01.wav"]
MOISESDB = ["0a/data.json", "0a/drums/1b.wav", "0a/vocals/2c.wav"]


def lay(root, paths):
    """Write noise, another one for each name, to files under `root`, empty files if they are no audio."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix.lower() in folder.EXTENSIONS and file.suffix != ".mp4":
            seed = sum(unicodedata.normalize("NFC", file.name.lower()).encode())
            soundfile.write(file, np.random.default_rng(seed).uniform(-0.1, 0.1, 2000), 8000, format=file.suffix[1:])
        else:
            file.touch()
    return root


def found(root):
    """The stems of each song by its split and name."""
    return {f"{song.split}/{song.name}": sorted(song.names) for song in folder.recordings(root)}


def lower(root):
    """Move the stems of two songs into a folder of each."""
    for stem in [*root.glob("train/b/*"), *root.glob("test/e/*")]:
        (stem.parent / "Stems").mkdir(exist_ok=True)
        stem.rename(stem.parent / "Stems" / stem.name)


def rename(change, pattern):
    return lambda root: [path.rename(path.with_name(change(path))) for path in sorted(root.glob(pattern))]


def deeper(root):
    root.rename(root.with_name("moved"))
    root.mkdir()
    root.with_name("moved").rename(root / "my corpus")


def linked(root):
    store = root / "store"
    store.mkdir()
    for number, song in enumerate(sorted(root.glob("t*/*"))):
        song.rename(store / str(number))
        song.symlink_to(store / str(number), target_is_directory=True)


def hide(root):
    """Files and folders that macOS, Windows and file servers leave."""
    for place in [root, *root.glob("t*"), *root.glob("t*/*")]:
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._drums.wav", "._x.stem.mp4", "notes.txt"):
            (place / name).write_bytes(b"no audio")
        for name in ("@eaDir", "__MACOSX", ".@__thumb", "#recycle", "$RECYCLE.BIN", "System Volume Information"):
            (place / name).mkdir()
            (place / name / "drums.wav").write_bytes(b"no audio")


SAME = [  # changes of PLAIN that change nothing
    hide,
    lower,
    rename(lambda path: f"{path.parent.name}_{path.name}", "*/*/*.wav"),
    rename(lambda path: path.name.replace("mixture", "mix"), "*/*/*.wav"),
    rename(lambda path: path.stem.title() + path.suffix.upper(), "*/*/*.wav"),
    rename(lambda path: unicodedata.normalize("NFD", path.name), "*/*/*.wav"),
    rename(lambda path: unicodedata.normalize("NFD", path.name), "*/*"),
    rename(lambda path: path.name.upper(), "t*"),
    linked,
    deeper,
    lambda root: lay(root, ["train/b/drums.mp3"]),
    lambda root: (root / "train" / "empty").mkdir(),
]


@pytest.mark.parametrize("change", range(len(SAME)))
def test_these_are_the_same_songs(tmp_path, change):
    expected = folder.recordings(lay(tmp_path / "plain", PLAIN))
    root = lay(tmp_path / "songs", PLAIN)
    SAME[change](root)
    songs = folder.recordings(root)
    key = lambda song: song.title  # noqa: E731
    for one, other in zip(sorted(expected, key=key), sorted(songs, key=key), strict=True):
        assert (one.title, one.split, set(one.names)) == (other.title, other.split, set(other.names))
        for name, stem in one.stems.items():
            assert stem.path.read_bytes() == other.stems[name].path.read_bytes()


@pytest.mark.parametrize(
    ("paths", "songs"),
    [
        (["train/b/x.flac", "valid/a/x.wav", "test/a/x.aiff"], {"test/a": ["x"], "train/b": ["x"], "valid/a": ["x"]}),
        (["train/...Baby One More Time/x.wav", "train/..Hits/x.wav"],
         {"train/...Baby One More Time": ["x"], "train/..Hits": ["x"]}),
        (["train/a/drums/Kick.wav", "train/a/drums/x/snare.flac", "train/a/Bass.mp3", "train/a/midi/1.mid"],
         {"train/a": ["bass", "drums/kick", "drums/x/snare"]}),
        (["train/a/mixture/left.wav", "train/a/vocals.wav"], {"train/a": ["mixture/left", "vocals"]}),
        (DSD100, {"test/s": ["bass", "mixture", "vocals"], "train/s": ["bass", "mixture", "vocals"]}),
        ([f"DSD100/{path.lower()}" for path in DSD100],
         {"test/s": ["bass", "mixture", "vocals"], "train/s": ["bass", "mixture", "vocals"]}),
        ([f"train/{path}" for path in MOISESDB], {"train/0a": ["drums/1b", "vocals/2c"]}),
    ],
)  # fmt: skip
def test_layouts_that_are_read(tmp_path, paths, songs):
    assert found(lay(tmp_path / "songs", paths)) == songs


@pytest.mark.parametrize(
    ("paths", "line"),
    [
        ([], "found nothing$"),
        (["a/x.wav", "b/x.wav"], "found a/, b/$"),
        ([f"{n}/x.wav" for n in "abcde"], "found a/, b/, c/, 2 more$"),
        (MEDLEYDB, r"expected train/<song>/<source>.wav and test/<song>/<source>.wav, found A_B/$"),
        ([f"train/{path}" for path in MEDLEYDB], r"'stem_01' names no source; name stems or their folders after"),
        ([f"moisesdb_v0.1/{path}" for path in MOISESDB], "found moisesdb_v0.1/$"),
        (SLAKH, "'s01' names no source; name stems or their folders after"),
        (["x/train/a/x.wav", "y/train/a/x.wav"], r"holds several corpora \(x/, y/\); give the folder of one"),
        (["train/vocals/1.wav", "train/Drums/1.wav"], "has a folder for each source, not for each song"),
        (["train/a/drums.wav", "train/a/drums/kick.wav"], "drums is a file and a folder, .*; remove one"),
        (["train/a/drums.wav", "train/a/Drums.flac"], r"Drums\.flac and drums\.wav are both its drums; remove one"),
        (["train/a/drums.mp3", "train/a/drums.ogg"], r"drums\.mp3 and drums\.ogg are both its drums"),
        (["train/a/mix.wav", "train/a/mixture.wav", "train/a/x.wav"], r"mix\.wav and mixture\.wav are both its"),
        (["train/a/mixture.wav"], "train/a: has no stem apart from the mixture"),
        (["train/a/...wav"], r"a: '\.\.' names no source"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(tmp_path, paths, line):
    (tmp_path / "songs").mkdir()
    with pytest.raises(UserError, match=line) as caught:
        folder.recordings(lay(tmp_path / "songs", paths))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "line"), [("b", "a link to .*, which does not exist"), ("b/drums.wav", "No such file")]
)
def test_a_link_to_nothing_is_one_line(small_tree, tmp_path, name, line):
    """As left by a drive that is not mounted, or by git-annex before the content is there."""
    (small_tree / "train" / name).rename(tmp_path / "elsewhere")
    (small_tree / "train" / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"train/{name}: .*{line}"):
        made(small_tree, tmp_path / "out")


def test_what_is_left_out_is_said(tmp_path, capsys):
    for path, line in (
        ("train/b/drums.mp3", "train/b: drums.mp3 is not read, since there is drums.wav"),
        ("train/empty/lyrics.txt", "train/empty: holds no audio, so it is no song"),
        ("train/.38 Special - A/x.wav", "train/.38 Special - A: hidden, so it is no song; rename it"),
    ):
        root = tmp_path / Path(path).name
        folder.recordings(lay(root, [*PLAIN, path]))
        (said,) = capsys.readouterr().err.splitlines()
        assert f"{root}/{line}" in said


def test_compressed_stems_are_decoded(tmp_path):
    (song,) = folder.recordings(lay(tmp_path, ["train/a/bass.mp3", "train/a/drums.wav"]))
    rate, _, blocks = song.stems["bass"].read()
    assert rate == 8000
    assert len(np.concatenate(list(blocks))) == pytest.approx(2000, abs=1200)
