"""corpus.json: read as written, a setup file of musdb, and one clear line where it is damaged."""

import json

import numpy as np
import pytest

from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import Corpus
from tests.sound import musdb, noise, write_corpus

NAMES = ("a b", 'it\'s "so" [live] {1}: #x', "Ænima – ñandú 🎵", "- rf", "a\nb\tc", "null", "1e3", "%&*!|>@`")


@pytest.fixture
def corpus(tmp_path):
    sources = ("zither", "vocals", "on")
    stems = {stem: noise(80, 1, seed) for seed, stem in enumerate(("mixture", *sources))}
    places = [f"{'valid' if i % 2 else 'train'}/{name}" for i, name in enumerate(NAMES)]
    return write_corpus(tmp_path, sources, dict.fromkeys([*places, "test/last"], (8000, stems)))


def test_a_corpus_is_read_as_written(corpus):
    assert Corpus.read(corpus.root) == corpus
    assert [song.name for song in corpus.of("test")] == ["last"]
    assert len(corpus.of("train")) == len(NAMES)
    stem = corpus.stem(corpus.of("test")[0], "vocals")
    assert stem.shape == (80, 1)


def test_musdb_reads_any_corpus(corpus):
    options = {"root": str(corpus.root), "setup_file": "corpus.json", "is_wav": True}
    for split in ("train", "valid"):
        database = musdb().DB(**options, subsets="train", split=split)
        assert [t.name for t in database] == sorted(s.name for s in corpus.songs if s.split == split)
    track = musdb().DB(**options, subsets=["test"])[0]
    assert list(track.sources) == ["zither", "vocals", "on"]
    assert set(track.targets) == {"zither", "vocals", "on", "accompaniment", "linear_mixture"}
    for name, source in track.sources.items():
        np.testing.assert_array_equal(source.audio, np.asarray(corpus.stem(corpus.of("test")[0], name)))
    np.testing.assert_array_equal(track.stems[0], track.audio)
    others = track.sources["zither"].audio + track.sources["on"].audio
    np.testing.assert_allclose(track.targets["accompaniment"].audio, others)


def test_a_damaged_corpus_is_rejected(corpus):
    path = corpus.root / "corpus.json"
    good = path.read_text(encoding="utf-8")
    for change in (
        lambda content: content.pop("songs"),
        lambda content: content.pop("sources"),
        lambda content: content["songs"][0].update(name="../../etc"),
        lambda content: content["songs"][0].update(rate="fast"),
        lambda content: content["songs"][0].update(subset="dev"),
        lambda content: content["songs"][0].pop("nb_samples"),
        lambda content: content["songs"].append(3),
        lambda content: content.update(sources={"..": "x"}),
        lambda content: content.update(sources=[1, 2]),
        lambda content: content.update(songs=None),
    ):
        content = json.loads(good)
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(UserError, match="damaged"):
            Corpus.read(corpus.root)
