"""Any corpus: the same bytes however it is made, validation, and one clear line for what is wrong."""

import shutil

import numpy as np
import pytest
import soundfile

from rnnsep.corpora.collect import CorpusParams, make_corpus, with_validation
from rnnsep.corpora.original import Original
from rnnsep.corpora.synthetic.corpus import compositions
from rnnsep.corpora.synthetic.render import render
from rnnsep.params import ParamError, parse
from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import Corpus

SYNTHETIC = {"seed": 0, "train_songs": 1, "valid_songs": 1, "test_songs": 1, "seconds": 1.0, "sounds": None}
SECTION = {"name": "folder", "path": None, "sources": None, "mixing": "published"}
SECTION |= {"validation": "own", "synthetic": SYNTHETIC}


def section(**changes):
    return parse(CorpusParams, SECTION | changes, "corpus")


def made(path, root, **changes):
    make_corpus(root, section(path=str(path), **changes))
    return Corpus.read(root)


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_folder_becomes_a_corpus_of_the_same_bytes_from_two_processes(small_tree, tmp_path, monkeypatch):
    result = made(small_tree, tmp_path / "one")
    assert result.sources == ("drums", "vocals")
    assert [song.name for song in result.songs] == ["e", "f", "a", "b", "c", "d"]
    for song in result.songs:
        drums, vocals, mixture = (np.asarray(result.stem(song, n)) for n in ("drums", "vocals", "mixture"))
        np.testing.assert_array_equal(drums + vocals, mixture)
    monkeypatch.setenv("RNNSEP_WORKERS", "2")
    made(small_tree, tmp_path / "two")
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    assert {path.name for path in (tmp_path / "one").iterdir()} == {"corpus.json", "train", "test"}
    assert str(tmp_path) not in one["corpus.json"].decode()


def test_synthetic_test_songs_do_not_depend_on_the_number_of_others(tmp_path):
    one, two = (
        compositions(section(name="synthetic", synthetic=SYNTHETIC | {"train_songs": n}).synthetic, None)
        for n in (1, 2)
    )
    assert [song.split for song in two] == ["test", "valid", "train", "train"]
    assert [(song.name, song.index) for song in two[:3]] == [(song.name, song.index) for song in one]
    one[0].write(tmp_path, one[0].names)
    for name, audio in render(0, 0, 1.0).items():
        np.testing.assert_array_equal(soundfile.read(tmp_path / f"{name}.wav", dtype="int16")[0], audio)


def write(path, content, rate=8000):
    if isinstance(content, bytes):
        return lambda root: (root / path).write_bytes(content)
    return lambda root: soundfile.write(root / path, content, rate, subtype="FLOAT")


def remove(path):
    return lambda root: shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()


def mono(root):
    for song in ("train/a", "test/e"):
        soundfile.write(root / song / "drums.wav", np.full((800, 1), 0.1), 8000)


def empty_in_an_odd_folder(root):
    ((root / "train/a").rename(root / "train/a\nb") / "drums.wav").write_bytes(b"")


def surround(root):
    for path in (root / "train" / "a").iterdir():
        soundfile.write(path, np.zeros((800, 6)), 8000)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (remove(""), "corpus.path: .* does not exist; give the folder of the songs"),
        (remove("train"), "no songs in train/"),
        (remove("test"), "no songs in test/"),
        (remove("train/a/drums.wav"), r"train/a: has no drums\.wav"),
        (mono, r"mono and stereo stems in 2 songs: test/e \(drums 1, mixture 2, .*; train/a"),
        (surround, r"only mono and stereo can be scored; .*train/a \(6 channels\)"),
        (write("train/a/drums.wav", np.zeros((800, 2)), 44100), r"rate in 1 song: train/a \(drums 44100, .* Hz\)"),
        (write("train/a/drums.wav", np.full((800, 2), np.nan)), "NaN"),
        (write("train/a/drums.wav", np.full((800, 2), np.inf)), "infinity"),
        (write("train/a/drums.wav", b""), "empty file"),
        (write("train/a/drums.wav", np.zeros((0, 2))), "no samples|no audio"),
        (write("train/a/drums.wav", b"ID3 not a wav"), "not audio"),
        (empty_in_an_odd_folder, r"a\\nb/.*empty file"),
    ],
)
def test_bad_songs_are_one_clear_line(damage, line, small_tree, tmp_path):
    damage(small_tree)
    with pytest.raises(UserError, match=line) as caught:
        made(small_tree, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "corpus.json").exists()


def held_out(names, choice, valid=""):
    songs = [Original(name, "train", "valid" if name in valid else "train") for name in names]
    test = Original("a", "test", "test")
    *chosen, last = with_validation([*songs, test], choice)
    assert last == test
    assert [song.name for song in chosen] == [song.name for song in songs]
    return {song.name for song in chosen if song.split == "valid"}


def test_validation_songs_can_be_chosen_or_done_without():
    assert held_out("abcd", "none", "c") == set()
    assert held_out("abcd", "own", "c") == {"c"}
    assert held_out("abcd", "[bc]") == {"b", "c"}
    folds = [held_out("abcd", f"fold-{fold}/3") for fold in (1, 2, 3)]
    assert sorted(map(len, folds)) == [1, 1, 2]
    assert sorted(name for fold in folds for name in fold) == ["a", "b", "c", "d"]
    tenth = held_out(map(str, range(20)), "own")
    assert len(tenth) == 2
    fewer = {str(i) for i in range(20) if i % 4 == 0} | tenth  # the choice does not depend on the others
    assert held_out(fewer, "own") < tenth
    for impossible, line in (("z*", r"no training song has a name like z\*"), ("fold-1/5", "only 4 training songs")):
        with pytest.raises(ParamError, match=rf"corpus\.validation: .*{line}"):
            held_out("abcd", impossible)
    with pytest.raises(UserError, match=r"all training songs are for validation; .*corpus\.validation: none"):
        held_out("a", "own")


def test_impossible_params_are_one_clear_line():
    for changes, line in (
        ({}, r"corpus\.path: must be the folder"),
        ({"name": "mir-1k"}, r"corpus\.path: must be the folder"),
        ({"name": "musdb"}, r"corpus\.name: must be one of synthetic, musdb18-7s"),
        ({"path": 3}, r"corpus\.path: must be text"),
        ({"path": ".", "sources": []}, r"corpus\.sources: must name at least one"),
        ({"path": ".", "sources": ["a", "A"]}, r"corpus\.sources: names a source twice"),
        ({"path": ".", "sources": ["Mixture"]}, r"corpus\.sources: mixture is not a source"),
        ({"path": ".", "sources": "vocals"}, r"corpus\.sources: must be a list"),
        ({"path": ".", "sources": [1]}, r"corpus\.sources\[0\]: must be text"),
        ({"path": ".", "validation": "fold-0/3"}, r"corpus\.validation: must be a fold .*, not fold-0/3"),
        ({"path": ".", "validation": "fold-1/1"}, r"corpus\.validation: must be a fold .*, not fold-1/1"),
        ({"path": ".", "mixing": "unit-norm"}, r"corpus\.mixing: must be published"),
        ({"synthetic": SYNTHETIC | {"sounds": "x.sf2"}}, "corpus.name is folder, not synthetic"),
        ({"synthetic": SYNTHETIC | {"seconds": 0.5}}, r"corpus\.synthetic\.seconds"),
        ({"synthetic": SYNTHETIC | {"test_songs": 0}}, r"corpus\.synthetic\.test_songs"),
    ):
        with pytest.raises(ParamError, match=line):
            section(**changes)


def test_an_unknown_source_is_named_with_those_there_are(small_tree, tmp_path):
    with pytest.raises(UserError, match=r"corpus\.sources: no song has 'drum'; the songs have .*drums"):
        made(small_tree, tmp_path / "out", sources=["drum"])
    assert made(small_tree, tmp_path / "out", sources=["Vocals", "DRUMS"]).sources == ("vocals", "drums")
