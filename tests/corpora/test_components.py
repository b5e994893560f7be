"""Sources that were chosen, and the rest of the songs, sum to the mixture; overlaps and gaps are reported."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rnnsep.corpora.overlap import difference, products, sum_of_others
from rnnsep.running.errors import UserError
from tests.corpora.test_collect import made

Noise = Callable[..., NDArray[np.int16]]
Write = Callable[..., Path]
FOUR = ("vocals", "drums", "bass", "other")


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "1")


@pytest.fixture
def songs(tmp_path: Path, noise: Noise, write_tree: Write) -> Path:
    """Two training songs and a test song of four stems and their mixture."""
    tree = {}
    for seed, name in enumerate(("train/a", "train/b", "test/c")):
        stems = {stem: noise(10 * seed + k) for k, stem in enumerate(FOUR)}
        tree[name] = stems | {"mixture": sum(stems.values())}
    return write_tree(tmp_path / "songs", tree)


@pytest.mark.parametrize(
    ("named", "rest", "summed"),
    [
        (["vocals"], "accompaniment", ("drums", "bass", "other")),
        (["drums"], "rest", ("vocals", "bass", "other")),
        (["vocals", "drums"], "rest", ("bass", "other")),
    ],
)
def test_everything_else_becomes_one_more_source(
    songs: Path, tmp_path: Path, named: list[str], rest: str, summed: tuple[str, ...]
) -> None:
    corpus = made(songs, tmp_path / "out", sources=named)
    assert corpus.sources == (*named, rest)
    for song in corpus.songs:
        stems = [soundfile.read(songs / song.subset / song.name / f"{name}.wav")[0] for name in summed]
        np.testing.assert_array_equal(corpus.stem(song, rest), np.float32(sum(stems)))
        parts = [np.asarray(corpus.stem(song, source)) for source in corpus.sources]
        np.testing.assert_allclose(sum(parts), corpus.stem(song, "mixture"), atol=1e-6)


@pytest.mark.parametrize("named", [["vocals"], None])
def test_a_stem_and_a_mixture_leave_their_difference(songs: Path, tmp_path: Path, named: list[str] | None) -> None:
    for name in ("drums", "bass", "other"):
        for path in songs.rglob(f"{name}.wav"):
            path.unlink()
    corpus = made(songs, tmp_path / "out", sources=named)
    assert corpus.sources == ("vocals", "accompaniment")
    song = corpus.songs[0]
    parts = [np.asarray(corpus.stem(song, source)) for source in corpus.sources]
    np.testing.assert_allclose(sum(parts), corpus.stem(song, "mixture"), atol=1e-6)


def test_one_source_without_a_mixture_is_rejected(songs: Path, tmp_path: Path) -> None:
    for path in [*songs.rglob("*.wav")]:
        if path.stem != "vocals":
            path.unlink()
    with pytest.raises(UserError, match="vocals is the only source; separation needs at least two"):
        made(songs, tmp_path / "out")


def test_vocals_and_accompaniment_leave_no_rest(songs: Path, tmp_path: Path) -> None:
    for path in songs.rglob("vocals.wav"):  # a fifth stem that overlaps with three of the others
        audio, rate = soundfile.read(path, dtype="int16")
        mixture, _ = soundfile.read(path.with_stem("mixture"), dtype="int16")
        soundfile.write(path.with_stem("accompaniment"), mixture - audio, rate)
    for named in (["vocals", "accompaniment"], ["vocals"]):
        corpus = made(songs, tmp_path / "-".join(named), sources=named)
        assert corpus.sources == ("vocals", "accompaniment")
    with pytest.raises(UserError, match=r"accompaniment equals .*; remove it"):
        made(songs, tmp_path / "all")


def test_a_song_without_a_rest_has_a_silent_one(songs: Path, tmp_path: Path) -> None:
    for name in ("bass", "other", "mixture"):
        (songs / "train" / "a" / f"{name}.wav").unlink()
    corpus = made(songs, tmp_path / "out", sources=["vocals", "drums"])
    (song,) = [song for song in corpus.songs if song.name == "a"]
    assert not np.asarray(corpus.stem(song, "rest")).any()


def test_a_mixture_of_another_level_is_reported_once_with_songs_and_decibels(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(songs, tmp_path / "right")
    assert "warning" not in capsys.readouterr().out
    for name in ("a", "b"):
        path = songs / "train" / name / "mixture.wav"
        audio, rate = soundfile.read(path, dtype="int16")
        soundfile.write(path, audio // 2, rate)
    made(songs, tmp_path / "wrong")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert len(lines) == 1
    assert "in 2 songs" in lines[0] and "train/a (-0.0 dB); train/b (-0.0 dB)" in lines[0]


def test_stems_of_unequal_length_are_listed_together_and_can_be_trimmed_or_padded(
    songs: Path, tmp_path: Path, noise: Noise
) -> None:
    soundfile.write(songs / "train" / "a" / "drums.wav", noise(1, 700), 8000)
    soundfile.write(songs / "test" / "c" / "bass.wav", noise(2, 900), 8000)
    with pytest.raises(UserError, match=r"in 2 songs.*test/c \(bass 900,.*train/a \(.*drums 700") as error:
        made(songs, tmp_path / "out")
    assert "\n" not in str(error.value)
    for lengths, counts in (("trim", {"a": 700, "b": 800, "c": 800}), ("pad", {"a": 800, "b": 800, "c": 900})):
        corpus = made(songs, tmp_path / lengths, lengths=lengths)
        assert {song.name: song.nb_samples for song in corpus.songs} == counts
        for song in corpus.songs:
            for source in (*FOUR, "mixture"):
                audio = np.asarray(corpus.stem(song, source))
                given, _ = soundfile.read(songs / song.subset / song.name / f"{source}.wav", dtype="float32")
                count = min(len(audio), len(given))
                assert len(audio) == counts[song.name]
                np.testing.assert_array_equal(audio[:count], given[:count])
                assert not audio[count:].any()


def test_surround_is_rejected_before_anything_is_made(songs: Path, tmp_path: Path, noise: Noise) -> None:
    for name in (*FOUR, "mixture"):
        soundfile.write(songs / "train" / "a" / f"{name}.wav", noise(0, 800, 6), 8000)
    with pytest.raises(UserError, match=r"only mono and stereo can be scored; .*train/a \(6 channels\)"):
        made(songs, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.wav"))


def test_the_difference_is_that_of_the_signals() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 100_000, 2)).astype(np.float32)
    assert difference(products([a + b, a, b])) == -np.inf or difference(products([a + b, a, b])) < -100
    expected = 10 * np.log10(np.sum(np.square(0.1 * (a + b))) / np.sum(np.square(a + b)))
    assert difference(products([np.float32(1.0) * (a + b), 0.9 * a, 0.9 * b])) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("nb_signals", [3, 5, 12])
def test_a_sum_of_others_is_found_and_independent_signals_are_none(nb_signals: int) -> None:
    random = np.random.default_rng(0)
    signals = list(random.normal(size=(nb_signals, 5000, 1)))
    assert sum_of_others(products(signals)) is None
    total = sum(signals) + 0.05 * random.normal(size=(5000, 1))
    found = sum_of_others(products([*signals, total]))
    assert found == (nb_signals, tuple(range(nb_signals)))
    assert sum_of_others(products([*signals, np.zeros((5000, 1))])) is None
