"""Sources that were chosen, and the rest of the songs, sum to the mixture; overlaps and gaps are reported."""

from collections import Counter
from dataclasses import dataclass
from itertools import chain, combinations, product

import numpy as np
import pytest
import soundfile

from rnnsep.corpora.checks import difference, products, sum_of_others
from rnnsep.corpora.original import Original
from rnnsep.corpora.sources import choose
from rnnsep.running.errors import UserError
from tests.corpora.test_collect import made
from tests.sound import samples, write_tree

FOUR = ("vocals", "drums", "bass", "other")
SOURCES = ("vocals", "drums", "bass")
STEMS = ("vocals", "drums/kick", "drums/snare", "bass", "accompaniment")


@dataclass(frozen=True)
class Named(Original):
    """A song that has stems of these names and nothing else."""

    stems: tuple[str, ...]

    @property
    def names(self):
        return self.stems


def subsets(names):
    names = list(names)
    return list(chain.from_iterable(combinations(names, size) for size in range(len(names) + 1)))


def total(weights, own):
    found = Counter()
    for name, weight in weights.items():
        found.update({stem: weight * count for stem, count in own[name].items()})
    return Counter({stem: count for stem, count in found.items() if count})


def test_whatever_is_chosen_the_sources_sum_to_the_mixture():
    """In terms of what was recorded: each stem, where an accompaniment next to other stems is the sum of these."""
    tried = 0
    for stems, mixture, named in product(subsets(STEMS)[1:], (False, True), subsets((*SOURCES, "accompaniment"))):
        song = Named("a", "train", "train", (*stems, *["mixture"] * mixture))
        others = set(stems) - {"vocals", "accompaniment"}
        sources = {stem.split("/")[0] for stem in stems}
        own = {name: Counter([name]) for name in stems} | ({"accompaniment": Counter(others)} if others else {})
        own["mixture"] = sum((own[name] for name in stems if not others or name != "accompaniment"), Counter())
        if "accompaniment" in {*stems, *named} and others and (not named or {*named} & {"drums", "bass"}):
            continue  # the audio tells whether sources overlap
        try:
            choice = choose(named, [song])
            found = choice.components(song)
        except UserError:
            alone = not mixture and (len(sources) == 1 or named == ("accompaniment",))
            assert alone or set(named) - sources
            continue
        tried += 1
        assert list(found) == ["mixture", *choice.sources]
        assert choice.sources[: len(named)] == named
        parts = sum((total(found[source], own) for source in choice.sources), Counter())
        assert parts == total(found["mixture"], own) == own["mixture"], (stems, mixture, named)
    assert tried > 150


@pytest.fixture
def songs(tmp_path):
    """Two training songs and a test song of four stems and their mixture."""
    tree = {}
    for seed, name in enumerate(("train/a", "train/b", "test/c")):
        stems = {stem: samples(10 * seed + k) for k, stem in enumerate(FOUR)}
        tree[name] = stems | {"mixture": sum(stems.values())}
    return write_tree(tmp_path / "songs", tree)


@pytest.mark.parametrize(
    ("named", "rest", "summed"),
    [(["vocals"], "accompaniment", ("drums", "bass", "other")), (["vocals", "drums"], "rest", ("bass", "other"))],
)
def test_everything_else_becomes_one_more_source(songs, tmp_path, named, rest, summed):
    corpus = made(songs, tmp_path / "out", sources=named)
    assert corpus.sources == (*named, rest)
    for song in corpus.songs:
        stems = [soundfile.read(songs / song.subset / song.name / f"{name}.wav")[0] for name in summed]
        np.testing.assert_array_equal(corpus.stem(song, rest), np.float32(sum(stems)))


def test_a_folder_of_files_is_their_sum(songs, tmp_path):
    plain = made(songs, tmp_path / "plain", sources=["vocals"])
    for song in songs.glob("*/*"):
        (song / "accompaniment" / "x").mkdir(parents=True)
        for name in ("drums", "bass", "other"):
            (song / f"{name}.wav").rename(song / "accompaniment" / "x" / f"{name}.wav")
    summed = made(songs, tmp_path / "summed")
    assert sorted(summed.sources) == sorted(plain.sources)
    for song in plain.songs:
        for name in ("mixture", *plain.sources):
            assert plain.stem(song, name).path.read_bytes() == summed.stem(song, name).path.read_bytes()
    assert not list((tmp_path / "summed").rglob("drums*"))


@pytest.mark.parametrize("named", [["vocals"], None])
def test_a_stem_and_a_mixture_leave_their_difference(songs, tmp_path, named):
    for path in [*songs.rglob("*.wav")]:
        if path.stem not in ("vocals", "mixture"):
            path.unlink()
    corpus = made(songs, tmp_path / "out", sources=named)
    assert corpus.sources == ("vocals", "accompaniment")
    parts = [np.asarray(corpus.stem(corpus.songs[0], source)) for source in corpus.sources]
    np.testing.assert_allclose(sum(parts), corpus.stem(corpus.songs[0], "mixture"), atol=1e-6)
    for path in songs.rglob("mixture.wav"):
        path.unlink()
    with pytest.raises(UserError, match="vocals is the only source; separation needs at least two"):
        made(songs, tmp_path / "alone", sources=named)


def test_a_source_that_is_the_sum_of_others_is_rejected(songs, tmp_path):
    for path in songs.rglob("vocals.wav"):  # a fifth stem that overlaps with three of the others
        audio, rate = soundfile.read(path, dtype="int16")
        mixture, _ = soundfile.read(path.with_stem("mixture"), dtype="int16")
        soundfile.write(path.with_stem("accompaniment"), mixture - audio, rate)
    assert made(songs, tmp_path / "vocals", sources=["vocals"]).sources == ("vocals", "accompaniment")
    with pytest.raises(UserError, match=r"accompaniment equals .*; remove it"):
        made(songs, tmp_path / "all")


def test_a_song_without_a_rest_has_a_silent_one(songs, tmp_path):
    for name in ("bass", "other", "mixture"):
        (songs / "train" / "a" / f"{name}.wav").unlink()
    corpus = made(songs, tmp_path / "out", sources=["vocals", "drums"])
    (song,) = [song for song in corpus.songs if song.name == "a"]
    assert not np.asarray(corpus.stem(song, "rest")).any()


def test_a_mixture_of_another_level_is_reported_once_with_songs_and_decibels(songs, tmp_path, capsys):
    made(songs, tmp_path / "right")
    assert "warning" not in capsys.readouterr().err
    for name in ("a", "b"):
        path = songs / "train" / name / "mixture.wav"
        audio, rate = soundfile.read(path, dtype="int16")
        soundfile.write(path, audio // 2, rate)
    made(songs, tmp_path / "wrong")
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("warning"))
    assert "in 2 songs" in line and "train/a (-0.0 dB); train/b (-0.0 dB)" in line


def test_shorter_stems_are_padded_with_silence_and_said_in_one_line(songs, tmp_path, capsys):
    soundfile.write(songs / "train" / "a" / "drums.wav", samples(1, 700), 8000)
    soundfile.write(songs / "test" / "c" / "bass.wav", samples(2, 900), 8000)
    corpus = made(songs, tmp_path / "out")
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "padded" in line)
    assert "in 2 songs: test/c (bass 900, " in line and "; train/a (" in line and "drums 700" in line
    assert {song.name: song.nb_samples for song in corpus.songs} == {"a": 800, "b": 800, "c": 900}
    for song in corpus.songs:
        for source in (*FOUR, "mixture"):
            audio = np.asarray(corpus.stem(song, source))
            given, _ = soundfile.read(songs / song.subset / song.name / f"{source}.wav", dtype="float32")
            np.testing.assert_array_equal(audio[: len(given)], given)
            assert not audio[len(given) :].any()


def test_the_difference_is_that_of_the_signals():
    a, b = np.random.default_rng(0).normal(size=(2, 100_000, 2)).astype(np.float32)
    assert difference(products([a + b, a, b])) < -100
    assert difference(products([a + b, 0.9 * a, 0.9 * b])) == pytest.approx(-20, abs=1e-3)


@pytest.mark.parametrize("nb_signals", [3, 12])
def test_a_sum_of_others_is_found_and_independent_signals_are_none(nb_signals):
    random = np.random.default_rng(0)
    signals = list(random.normal(size=(nb_signals, 5000, 1)))
    assert sum_of_others(products(signals)) is None
    total = sum(signals) + 0.05 * random.normal(size=(5000, 1))
    assert sum_of_others(products([*signals, total])) == (nb_signals, tuple(range(nb_signals)))
    assert sum_of_others(products([*signals, np.zeros((5000, 1))])) is None
