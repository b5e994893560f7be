"""Any corpus: chosen sources, validation, and one clear line for what is wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rnnsep.corpora import collect as corpus
from rnnsep.corpora.collect import CorpusParams, make_corpus
from rnnsep.params import ParamError, parse
from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import Corpus

Noise = Callable[..., NDArray[np.int16]]
SYNTHETIC = {"seed": 0, "train_songs": 1, "valid_songs": 1, "test_songs": 2, "seconds": 1.0, "soundfont": None}


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "1")


def section(**changes: Any) -> CorpusParams:
    return parse(
        CorpusParams,
        {
            "name": "folder",
            "path": None,
            "sources": None,
            "lengths": "exact",
            "mixing": "published",
            "validation": "own",
            "synthetic": SYNTHETIC,
        }
        | changes,
        "corpus",
    )


def made(path: Path, root: Path, **changes: Any) -> Corpus:
    make_corpus(section(path=str(path), **changes), root)
    return Corpus.read(root)


def test_a_folder_becomes_a_corpus(small_tree: Path, tmp_path: Path) -> None:
    result = made(small_tree, tmp_path / "out")
    assert result.sources == ("drums", "vocals")
    assert [song.name for song in result.songs] == ["e", "f", "a", "b", "c", "d"]
    for song in result.songs:
        drums, vocals, mixture = (np.asarray(result.stem(song, n)) for n in ("drums", "vocals", "mixture"))
        np.testing.assert_array_equal(drums + vocals, mixture)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"corpus.json", "train", "test"}


def test_the_same_bytes_from_one_process_and_from_two(
    small_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(small_tree, tmp_path / "one")
    monkeypatch.setenv("RNNSEP_WORKERS", "2")
    made(small_tree, tmp_path / "two")
    one, two = (
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    assert str(tmp_path) not in one["corpus.json"].decode()


def test_sources_are_chosen_and_ordered(small_tree: Path, tmp_path: Path) -> None:
    result = made(small_tree, tmp_path / "out", sources=["vocals", "accompaniment"])
    assert result.sources == ("vocals", "accompaniment")
    song = result.songs[0]
    np.testing.assert_array_equal(
        np.asarray(result.stem(song, "accompaniment")) + np.asarray(result.stem(song, "vocals")),
        np.asarray(result.stem(song, "mixture")),
    )


def test_validation_songs_are_a_tenth_chosen_by_name(
    tmp_path: Path, noise: Noise, write_tree: Callable[..., Path]
) -> None:
    songs = {
        f"{subset}/{i}": {"x": noise(0, 10, 1), "y": noise(1, 10, 1)} for subset in ("train", "test") for i in range(20)
    }
    write_tree(tmp_path / "in", songs)
    chosen = {song.name for song in made(tmp_path / "in", tmp_path / "out").songs if song.split == "valid"}
    assert len(chosen) == 2
    for i in range(20):  # the choice does not depend on the songs that are not in it
        if str(i) not in chosen and i % 4:
            shutil.rmtree(tmp_path / "in" / "train" / str(i))
    again = {song.name for song in made(tmp_path / "in", tmp_path / "again").songs if song.split == "valid"}
    assert again < chosen


def test_the_user_s_validation_songs_are_used(small_tree: Path, tmp_path: Path) -> None:
    (small_tree / "valid").mkdir()
    shutil.move(small_tree / "train" / "c", small_tree / "valid" / "c")
    result = made(small_tree, tmp_path / "out")
    assert {song.name for song in result.of("train") if song.split == "valid"} == {"c"}


def test_synthetic_test_songs_do_not_depend_on_the_number_of_others(tmp_path: Path) -> None:
    for number in (1, 2):
        root = tmp_path / str(number)
        make_corpus(section(name="synthetic", synthetic=SYNTHETIC | {"train_songs": number}), root)
    one, two = Corpus.read(tmp_path / "1"), Corpus.read(tmp_path / "2")
    assert one.of("test") == two.of("test")
    assert [song.split for song in two.of("train")].count("train") == 2
    for song in one.of("test"):
        assert one.stem(song, "mixture").path.read_bytes() == two.stem(song, "mixture").path.read_bytes()
        mixture = np.asarray(one.stem(song, "mixture"))
        np.testing.assert_array_equal(sum(np.asarray(one.stem(song, s)) for s in one.sources), mixture)


def test_a_killed_run_goes_on_to_the_same_bytes(
    small_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(small_tree, tmp_path / "whole")
    calls = []

    def killed(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 8:
            raise KeyboardInterrupt
        write(*arguments, **options)

    write = corpus.write_wav
    with monkeypatch.context() as patch:
        patch.setattr("rnnsep.corpora.tree.write_wav", killed)
        with pytest.raises(KeyboardInterrupt):
            made(small_tree, tmp_path / "killed")
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed" / "test").rglob("*.wav")}
    assert len(finished) == 6
    made(small_tree, tmp_path / "killed")
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    one, two = (
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "whole", tmp_path / "killed")
    )
    assert one == two


def remove(path: str) -> Callable[[Path], None]:
    return lambda root: shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()


def write(path: str, content: bytes | NDArray[Any], rate: int = 8000) -> Callable[[Path], Any]:
    if isinstance(content, bytes):
        return lambda root: (root / path).write_bytes(content)
    return lambda root: soundfile.write(root / path, content, rate, subtype="FLOAT")


def halve(path: str) -> Callable[[Path], Any]:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (remove(""), "corpus.path: .* does not exist; give the folder of the songs"),
        (remove("train"), "no songs in train/"),
        (remove("test"), "no songs in test/"),
        (remove("train/a/drums.wav"), r"train/a: has no drums\.wav"),
        (
            write("train/a/drums.wav", np.zeros((801, 2))),
            r"length in 1 song; .*a \(drums 801, mixture 800",
        ),
        (write("train/a/drums.wav", np.zeros((800, 1))), "mono and stereo stems in 1 song"),
        (write("train/a/drums.wav", np.zeros((800, 2)), 44100), "44100 Hz but"),
        (write("train/a/drums.wav", np.full((800, 2), np.nan)), "NaN"),
        (write("train/a/drums.wav", np.full((800, 2), np.inf)), "infinity"),
        (write("train/a/drums.wav", b""), "empty file"),
        (write("train/a/drums.wav", np.zeros((0, 2))), "no samples|no audio"),
        (write("train/a/drums.wav", b"ID3 not a wav"), "not audio"),
        (halve("train/a/drums.wav"), "stems differ in length in 1 song"),
    ],
)
def test_bad_songs_are_one_clear_line(
    damage: Callable[[Path], Any], line: str, small_tree: Path, tmp_path: Path
) -> None:
    damage(small_tree)
    with pytest.raises(UserError, match=line) as caught:
        made(small_tree, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "corpus.json").exists()


def test_one_training_song_is_too_few(small_tree: Path, tmp_path: Path) -> None:
    for song in "bcd":
        shutil.rmtree(small_tree / "train" / song)
    with pytest.raises(
        UserError, match=r"all training songs are for validation; add others, or set corpus\.validation: none"
    ):
        made(small_tree, tmp_path / "out")


def splits(songs: Path, out: Path, **changes: Any) -> dict[str, str]:
    return {song.name: song.split for song in made(songs, out, **changes).of("train")}


def test_songs_for_validation_can_be_chosen_by_name_or_done_without(small_tree: Path, tmp_path: Path) -> None:
    assert list(splits(small_tree, tmp_path / "own").values()).count("valid") == 1
    assert set(splits(small_tree, tmp_path / "none", validation="none").values()) == {"train"}
    chosen = splits(small_tree, tmp_path / "chosen", validation="[bc]")
    assert {name for name, split in chosen.items() if split == "valid"} == {"b", "c"}
    with pytest.raises(ParamError, match=r"corpus\.validation: no training song has a name like z\*"):
        made(small_tree, tmp_path / "out", validation="z*")


def test_folds_divide_the_training_songs(small_tree: Path, tmp_path: Path) -> None:
    def held_out(fold: int, count: int) -> set[str]:
        found = splits(small_tree, tmp_path / f"{fold} of {count}", validation=f"fold-{fold}/{count}")
        return {name for name, split in found.items() if split == "valid"}

    folds = [held_out(fold, 3) for fold in (1, 2, 3)]
    assert sorted(map(len, folds)) == [1, 1, 2]
    assert sorted(name for fold in folds for name in fold) == ["a", "b", "c", "d"]
    assert all(len(held_out(fold, 4)) == 1 for fold in (1, 4))
    with pytest.raises(ParamError, match=r"corpus\.validation: fold-1/5: there are only 4 training songs"):
        held_out(1, 5)
    for wrong in ("fold-0/3", "fold-4/3", "fold-1/1"):
        with pytest.raises(ParamError, match=r"corpus\.validation: must be a fold .*, not " + wrong):
            section(path="x", validation=wrong)


def test_validation_alone_is_no_training(small_tree: Path, tmp_path: Path) -> None:
    (small_tree / "train").rename(small_tree / "valid")
    with pytest.raises(UserError, match="all training songs are for validation"):
        made(small_tree, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, r"corpus\.path: must be the folder"),
        ({"name": "mir-1k"}, r"corpus\.path: must be the folder"),
        ({"name": "musdb"}, r"corpus\.name: must be one of synthetic, musdb18-7s"),
        ({"path": 3}, r"corpus\.path: must be text"),
        ({"path": ".", "sources": []}, r"corpus\.sources: must name at least one"),
        ({"path": ".", "sources": ["a", "a"]}, r"corpus\.sources: names a source twice"),
        ({"path": ".", "sources": ["mixture"]}, r"corpus\.sources: mixture is not a source"),
        ({"path": ".", "sources": "vocals"}, r"corpus\.sources: must be a list"),
        ({"path": ".", "sources": [1]}, r"corpus\.sources\[0\]: must be text"),
    ],
)
def test_impossible_params_are_one_clear_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ParamError, match=line):
        section(**changes)


def test_an_unknown_source_is_named_with_those_there_are(small_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus\.sources: no song has 'drum'; the songs have .*drums"):
        made(small_tree, tmp_path / "out", sources=["drum"])


def test_any_rate_channels_and_names(tmp_path: Path, noise: Noise, write_tree: Callable[..., Path]) -> None:
    names = ("it's [mono] {1}", "Ænima – ñandú 🎵", "-rf\n", "10 samples")
    songs = {
        f"{subset}/{n}": {"x y": noise(0, 10, 1), "z": noise(1, 10, 1)} for n in names for subset in ("train", "test")
    }
    write_tree(tmp_path / "in", songs, rate=11025, suffix=".flac")
    result = made(tmp_path / "in", tmp_path / "out")
    assert {song.name for song in result.songs} == set(names)
    assert {(song.rate, song.nb_samples, song.nb_channels) for song in result.songs} == {(11025, 10, 1)}
    json.loads((tmp_path / "out" / "corpus.json").read_text(encoding="utf-8"))


@pytest.mark.real
def test_real_corpora(shared_data: Path, tmp_path: Path) -> None:
    """A few songs of each of the two corpora that are at hand."""
    for name, path, nb_channels in (("musdb18-7s", "musdb18-7s", 2), ("mir-1k", "mir-1k", 1)):
        copy = tmp_path / name
        for subset in ("train", "test"):
            (copy / subset).mkdir(parents=True)
            for song in sorted((shared_data / path / subset).iterdir())[:3]:
                (copy / subset / song.name).symlink_to(song)
        result = made(copy, tmp_path / f"{name}-out", name=name)
        assert len(result.songs) == 6
        assert [song.split for song in result.songs].count("valid") == 1
        assert {song.nb_channels for song in result.songs} == {nb_channels}


@pytest.mark.parametrize("name", ["synthetic", "folder", "musdb18"])
def test_only_mir_1k_has_another_mixing(name: str) -> None:
    with pytest.raises(ParamError, match=r"corpus\.mixing: must be published"):
        section(name=name, path="songs", mixing="unit-norm")


def test_a_song_for_training_and_for_scores_is_reported(
    small_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(small_tree / "train" / "a", small_tree / "train" / "a2")  # of the same split
    made(small_tree, tmp_path / "once", validation="none")
    assert "the same audio" not in capsys.readouterr().out
    shutil.copytree(small_tree / "train" / "b", small_tree / "test" / "other name")
    made(small_tree, tmp_path / "twice", validation="none")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "the same audio" in line)
    assert line == (
        "warning: the same audio is used for training and for scores, which are then too high:"
        " test/other name = train/b"
    )


def test_all_songs_with_mono_and_stereo_stems_are_listed(small_tree: Path, tmp_path: Path) -> None:
    for song in ("train/a", "test/e"):
        soundfile.write(small_tree / song / "drums.wav", np.full((800, 1), 0.1), 8000)
    with pytest.raises(UserError, match=r"mono and stereo stems in 2 songs; .*test/e \(drums 1, .*train/a") as caught:
        made(small_tree, tmp_path / "out")
    assert not (tmp_path / "out" / "train").exists()
    assert "\n" not in str(caught.value)


def test_musdb18_of_the_other_kind_is_advised(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "mixture.wav").touch()
    with pytest.raises(UserError, match=r"no \.stem\.mp4 files in train/ or test/; set corpus\.name to musdb18-hq$"):
        made(tmp_path, tmp_path / "out", name="musdb18")


def test_a_line_break_in_a_name_is_an_escape_in_messages(small_tree: Path, tmp_path: Path) -> None:
    song = (small_tree / "train" / "a").rename(small_tree / "train" / "a\nb")
    (song / "drums.wav").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\\nb/drums\.wav: empty file") as caught:
        made(small_tree, tmp_path / "out")
    assert "\n" not in str(caught.value)
