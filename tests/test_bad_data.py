"""Bad songs through all stages that need no training: the outcomes are those of docs/guarantees.md."""

import json
import math
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rnnsep.features.extraction import write_features
from rnnsep.features.storage import open_features
from rnnsep.running.errors import UserError
from rnnsep.scoring.baselines import mixture_share
from rnnsep.scoring.evaluation import score_corpus
from rnnsep.signal.corpus import Corpus, EvaluationParams
from rnnsep.signal.stft import StftParams
from rnnsep.tables.outputs import aggregate
from tests.corpora.test_collect import made
from tests.processes import run
from tests.sound import samples, write_tree

STFT = StftParams(sample_rate=8000, window=256, hop=128, channels="mono", taper="hann")
SCORES = EvaluationParams(engine="fast", window=1.0, hop=1.0, version="v4", split="test")


def through(folder, root):
    """Corpus, features, scores and tables of a user's songs; the metrics."""
    made(folder, root / "corpus")
    write_features(root / "corpus", root / "features", STFT)
    for song in open_features(root / "features").songs:
        assert open_features(root / "features").arrays(song.name)
    for system in ("RNN", "MIX"):
        score_corpus(root / "corpus", root / system, mixture_share, SCORES, system)
    systems = [root / "RNN", root / "MIX"]
    aggregate(systems, root / "tables", root / "metrics.json")
    return json.loads((root / "metrics.json").read_text())


def song(seed, nb_samples=8000):
    return {name: samples(seed + number, nb_samples, 1) for number, name in enumerate(("drums", "vocals"))}


@pytest.mark.long
def test_two_hundred_songs_of_a_second(tmp_path):
    songs = {f"{'test' if i < 20 else 'train'}/{i}": song(2 * i) for i in range(200)}
    metrics = through(write_tree(tmp_path / "songs", songs), tmp_path)
    assert all(math.isfinite(value) for value in metrics["SDR"].values())
    assert len(open_features(tmp_path / "features").songs) == 180


def test_songs_of_10_samples_and_odd_names(tmp_path):
    names = ("-rf\n", "it's [mono] {1}", "Ænima – ñandú 🎵", "...Baby", "x" * 240)
    songs = {f"{subset}/{name}": song(0, 10) for name in names for subset in ("train", "test")}
    metrics = through(write_tree(tmp_path / "songs", songs, rate=11025, suffix=".flac"), tmp_path)
    assert set(metrics["SDR"]) == {"mean", "drums", "vocals"}
    assert {one.rate for one in Corpus.read(tmp_path / "corpus").songs} == {11025}
    assert {path.stem for path in (tmp_path / "MIX/test").iterdir()} == set(names)


def test_a_source_that_is_silent_throughout_has_no_score(tmp_path):
    songs = {f"{subset}/{i}": song(i) for subset in ("train", "test") for i in range(3)}
    for stems in songs.values():
        stems["drums"][:] = 0
    metrics = through(write_tree(tmp_path / "songs", songs), tmp_path)
    assert all(value is None for value in metrics["SDR"].values())


def test_a_truncated_song_is_used_as_far_as_it_goes_and_reported(tmp_path, capsys):
    songs = {f"{subset}/{i}": song(i) for subset in ("train", "test") for i in (1, 2)}
    root = write_tree(tmp_path / "songs", songs)
    for path in (root / "train" / "1").iterdir():
        path.write_bytes(path.read_bytes()[: 44 + 2 * 6000])
    corpus = made(root, tmp_path / "corpus")
    assert {one.name: one.nb_samples for one in corpus.of("train")} == {"1": 6000, "2": 8000}
    said = capsys.readouterr().err
    for name in ("drums", "vocals"):
        path = root / "train" / "1" / f"{name}.wav"
        assert said.count(f"warning: {path}: damaged or truncated: 0.25 s of audio are lost\n") == 1


@contextmanager
def somebody():
    """A folder, and for the length of the block the rights of a user who is not root."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("forbidden", ["songs/train/1/drums.wav", "songs/train/1", "songs/train", "out"])
def test_what_may_not_be_read_or_written_is_one_line(forbidden):
    with somebody() as folder:
        songs = {f"{subset}/{i}": song(i, 10) for subset in ("train", "test") for i in range(2)}
        write_tree(folder / "songs", songs)
        (folder / "out").mkdir()
        (folder / forbidden).chmod(0)
        with pytest.raises(UserError, match="Permission denied") as error:
            made(folder / "songs", folder / "out" / "corpus")
        assert "\n" not in str(error.value)
        (folder / forbidden).chmod(0o755)


@pytest.mark.long
def test_a_song_of_three_hours_needs_no_more_memory(tmp_path):
    for name in ("train/long", "train/short", "test/short"):
        (tmp_path / "songs" / name).mkdir(parents=True)
        for stem in ("drums", "vocals"):
            path = tmp_path / "songs" / name / f"{stem}.wav"
            seconds = 3 * 3600 if "long" in name else 1
            with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
                for second in range(seconds):
                    file.write(np.random.default_rng((second, len(stem))).integers(-4000, 4000, 8000, np.int16))
    code = """import pathlib, resource, sys, tests.test_bad_data as t
t.through(*map(pathlib.Path, sys.argv[1:]))
print("kB", max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))"""
    status, out, err = run("-c", code, tmp_path / "songs", tmp_path)
    assert status == 0, err
    assert int(out.rpartition("kB ")[2]) < 600_000  # kB; the song has 173 MB
