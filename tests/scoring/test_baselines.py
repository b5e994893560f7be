import json
import os
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal

from rnnsep.running.errors import UserError
from rnnsep.scoring.baselines import ideal_ratio_masks, mixture_share, score_baselines
from rnnsep.scoring.evaluation import score_estimates
from rnnsep.signal.corpus import EvaluationParams
from rnnsep.signal.writing import write_wav
from tests.sound import noise, write_corpus

PARAMS = EvaluationParams(engine="fast", window=1.0, hop=1.0, version="v4", split="test")
SOURCES = ("vocals", "drums", "bass")
RATE = 8000


@pytest.fixture
def corpus(tmp_path):
    shapes = {'test/It\'s [über] "quoted"': (3 * RATE + 11, 2), "test/Mono": (RATE, 1), "train/Trained": (RATE, 1)}
    songs = {}
    for place, shape in shapes.items():
        stems = {}
        for index, source in enumerate(SOURCES):
            band = scipy.signal.butter(2, [100 + 900 * index, 900 + 900 * index], "band", fs=RATE, output="sos")
            stems[source] = np.rint(6000 * scipy.signal.sosfilt(band, noise(*shape, index), axis=0)).astype(np.int16)
        songs[place] = RATE, stems | {"mixture": sum(stems.values())}
    return write_corpus(tmp_path / "corpus", SOURCES, songs)


def audio_of(corpus, song, name):
    return np.asarray(corpus.stem(song, name))


def median(path, source, metric="SDR"):
    (target,) = (one for one in json.loads(path.read_text())["targets"] if one["name"] == source)
    return float(np.nanmedian([frame["metrics"][metric] for frame in target["frames"]]))


def test_mix_is_an_equal_share_of_the_mixture(corpus):
    song = corpus.of("test")[0]
    with ExitStack() as stack:
        estimates = mixture_share(corpus, song, stack)
        assert tuple(estimates) == SOURCES
        for estimate in estimates.values():
            assert estimate.shape == (song.nb_samples, 2)
            np.testing.assert_allclose(estimate[5:900], audio_of(corpus, song, "mixture")[5:900] / 3, atol=1e-7)


def test_irm1_is_the_ratio_of_magnitudes_by_scipys_plain_calls(corpus, tmp_path):
    for song in corpus.of("test"):
        with ExitStack() as stack:
            estimates = ideal_ratio_masks(tmp_path / "scores", corpus, song, stack)
            found = {source: np.array(estimate[:]) for source, estimate in estimates.items()}
        spectra = {
            name: scipy.signal.stft(audio_of(corpus, song, name).T.astype(float), nperseg=2048)[2]
            for name in (*SOURCES, "mixture")
        }
        total = sum(np.abs(spectra[source]) for source in SOURCES)
        for source in SOURCES:
            masked = np.abs(spectra[source]) / np.maximum(total, 1e-30) * spectra["mixture"]
            expected = scipy.signal.istft(masked)[1].T[: song.nb_samples]
            inner = slice(2048, -2048)  # SciPy pads the ends otherwise
            assert found[source].shape == (song.nb_samples, song.nb_channels)
            np.testing.assert_allclose(found[source][inner], expected[inner], atol=2e-5)
        np.testing.assert_allclose(sum(found.values()), audio_of(corpus, song, "mixture"), atol=1e-5)
    assert list((tmp_path / "scores").iterdir()) == []


def test_baselines_are_scored_resumably_with_the_same_bytes(corpus, tmp_path):
    mix, irm1 = tmp_path / "one" / "MIX", tmp_path / "one" / "IRM1"
    score_baselines(corpus.root, mix, irm1, PARAMS)
    names = [f"{song.name}.json" for song in corpus.of("test")]
    for folder in (mix, irm1):
        assert os.listdir(folder) == ["test"]
        assert sorted(os.listdir(folder / "test")) == sorted(names)
    for source in SOURCES:
        assert median(irm1 / "test" / names[0], source) > median(mix / "test" / names[0], source) + 3

    again = tmp_path / "two" / "IRM1"
    kept = again / "test" / names[0]
    kept.parent.mkdir(parents=True)
    kept.write_text("done before")
    score_baselines(corpus.root, tmp_path / "two" / "MIX", again, PARAMS)
    assert kept.read_text() == "done before"
    assert (again / "test" / names[1]).read_bytes() == (irm1 / "test" / names[1]).read_bytes()


@pytest.mark.parametrize("rate", [RATE, 2 * RATE])
def test_estimates_of_another_length_or_rate_are_one_line(corpus, tmp_path, rate):
    for song in corpus.of("test"):
        for source in SOURCES:
            audio = audio_of(corpus, song, source)[rate == RATE :]
            write_wav(tmp_path / "estimates" / song.name / f"{source}.wav", [audio], rate)
    with pytest.raises(UserError, match=r"vocals\.wav: has \(rate, samples, channels\) \(.*; separate the song again"):
        score_estimates(corpus.root, tmp_path / "estimates", tmp_path / "RNN", PARAMS)


def test_missing_estimates_and_no_test_songs_are_one_line(corpus, tmp_path):
    with pytest.raises(UserError, match=r"vocals\.wav"):
        score_estimates(corpus.root, tmp_path / "estimates", tmp_path / "RNN", PARAMS)
    assert not list((tmp_path / "RNN").rglob("*.json"))
    replace(corpus, songs=corpus.of("train")).write()
    with pytest.raises(UserError, match="no songs in the split test"):
        score_baselines(corpus.root, tmp_path / "MIX", tmp_path / "IRM1", PARAMS)
