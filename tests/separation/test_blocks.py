import sys
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsep.running.errors import UserError
from rnnsep.separation import estimates as module
from rnnsep.separation.blocks import SeparationParams, plan, separate
from rnnsep.separation.estimates import separate_corpus
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.corpus import SplitParams
from rnnsep.signal.stft import StftParams
from rnnsep.signal.writing import write_wav
from tests.processes import run
from tests.sound import noise, write_corpus

STFT = StftParams(sample_rate=8000, window=256, hop=64, channels="stereo", taper="hann")
PARAMS = SeparationParams(filter="mask", temperature=1.0, block=1.0)
TEST = SplitParams(split="test")


@dataclass
class Bands:
    """A stand-in for a model, with masks that depend on the bin, and a little on the mixture."""

    stft: StftParams = STFT
    sources: tuple[str, ...] = ("low", "mid", "high")
    seen: tuple[int, ...] = ()

    def masks(self, mixture):
        self.seen += (len(mixture),)
        if self.stft.channels == "mono":
            mixture = mixture.mean(axis=-1, keepdims=True)
        assert mixture.shape[1:] == (self.stft.nb_bins, self.stft.nb_channels)
        places = np.linspace(0, 1, self.stft.nb_bins)[:, None] - np.array([0, 0.5, 1])[:, None, None, None]
        masks = np.exp(-20 * places**2 + 0.1 * np.log1p(np.abs(mixture)))
        return np.asarray(masks / masks.sum(axis=0), np.float32)

    def spread(self, masks):
        return masks

    def for_song(self, _):
        return self


def separated(mixture, rate, model, params):
    return np.concatenate(list(separate(mixture, rate, model, params)), axis=1)


@pytest.mark.parametrize("channels", ["mono", "stereo"])
@pytest.mark.parametrize("kind", ["mask", "wiener"])
def test_estimates_have_the_mixtures_shape_and_sum_to_it(channels, kind):
    model = Bands(replace(STFT, channels=channels))
    for nb_channels, nb_samples in product((1, 2, 3), (1, 63, 12001)):
        mixture = noise(nb_samples, nb_channels)
        estimates = separated(mixture, 8000, model, replace(PARAMS, filter=kind))
        assert estimates.shape == (3, nb_samples, nb_channels)
        assert estimates.dtype == np.float32
        np.testing.assert_allclose(estimates.sum(axis=0), mixture, atol=2e-5 if kind == "mask" else 2e-4)


@pytest.mark.parametrize("rate", [4000, 11025, 44100])
def test_other_rates_keep_rate_and_length(rate):
    time = np.arange(3 * rate + 7) / rate
    mixture = np.stack([np.sin(2 * np.pi * 300 * time), np.sin(2 * np.pi * 1100 * time)], 1).astype(np.float32)
    estimates = separated(mixture, rate, Bands(), PARAMS)
    assert estimates.shape == (3, len(mixture), 2)
    inner = slice(rate // 4, -rate // 4)  # 5e-3: the ripple of the resampling filter, twice
    np.testing.assert_allclose(estimates.sum(axis=0)[inner], mixture[inner], atol=5e-3)


def test_blocks_that_disagree_are_faded_into_each_other():
    """The network gives each block another gain: the estimate must move from one to the next without a step."""

    class Moody(Bands):
        def masks(self, mixture):
            self.seen += (len(mixture),)
            first = len(self.seen) % 2
            masks = np.zeros((3, *mixture.shape), np.float32)
            masks[0], masks[1] = first, 1 - first
            return masks

    calm, seen = Bands(), noise(50000, 2)
    expected = separated(seen, 8000, Bands(), replace(PARAMS, block=100.0))
    np.testing.assert_allclose(separated(seen, 8000, calm, PARAMS), expected, atol=1e-5)  # no seam where they agree
    assert len(calm.seen) > 5 and len(set(calm.seen)) == 1
    mixture = np.full((50000, 1), 0.5, np.float32)
    estimate = separated(mixture, 8000, Moody(replace(STFT, channels="mono")), PARAMS)[0, :, 0]
    assert estimate.max() > 0.49
    assert estimate.min() < 0.01
    assert np.abs(np.diff(estimate)).max() < 0.5 / (0.1 * 8000) * 2  # the fade's slope, twice


@given(nb_frames=st.integers(1, 5000), fade=st.integers(1, 50), extra=st.integers(0, 500))
def test_plan_covers_every_frame_once(nb_frames, fade, extra):
    length = 4 * fade + extra
    blocks = plan(nb_frames, length, fade)
    assert blocks[0].begin == 0
    assert blocks[-1].end == nb_frames
    for block in blocks:
        assert 0 <= block.start <= block.begin < block.end <= block.stop <= nb_frames
        assert block.stop - block.start == min(length, nb_frames)
    for block, following in pairwise(blocks):
        assert block.end == following.begin
        assert following.begin + fade <= min(block.stop, following.end)


@pytest.fixture
def corpus(tmp_path):
    songs = {
        "train/Trained": (8000, {"mixture": noise(4000)}),
        'test/It\'s [über] "quoted"': (8000, {"mixture": noise(20000) / 2}),
        "test/Mono": (11025, {"mixture": noise(5000, 1)}),
    }
    return write_corpus(tmp_path / "corpus", Bands.sources, songs)


@pytest.fixture
def loaded(monkeypatch):
    model = Bands()
    monkeypatch.setattr(module, "load_separator", lambda _: model)
    return model


def test_a_corpus_is_separated_and_later_what_is_missing_of_it(corpus, loaded, tmp_path):
    folder = tmp_path / "estimates"
    separate_corpus(corpus.root, tmp_path / "models", folder, PARAMS, TEST)
    contents = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(contents) == 2 * 3
    for song in corpus.of("test"):
        for source in corpus.sources:
            file = AudioFile(folder / song.name / f"{source}.wav")
            assert (file.rate, file.shape, file.subtype) == (song.rate, (song.nb_samples, song.nb_channels), "PCM_16")
    first = corpus.of("test")[0]
    total = sum(np.asarray(AudioFile(folder / first.name / f"{source}.wav")) for source in corpus.sources)
    np.testing.assert_allclose(total, noise(20000) / 2, atol=4 / 2**15)
    blocks = len(loaded.seen)
    (folder / "Mono" / "mid.wav").unlink()
    separate_corpus(corpus.root, tmp_path / "models", folder, PARAMS, TEST)
    assert len(loaded.seen) == blocks + 1
    assert {path: path.read_bytes() for path in contents} == contents


def test_a_float_corpus_is_estimated_in_float_so_that_its_level_does_not_matter(corpus, loaded, tmp_path):
    first, *_ = corpus.of("test")
    path = corpus.root / "test" / first.name / "mixture.wav"
    audio = noise(first.nb_samples, first.nb_channels)
    for gain in (1, 30, 1e-4):
        write_wav(path, [np.float32(gain) * audio], first.rate, "FLOAT")
        separate_corpus(corpus.root, tmp_path / "models", tmp_path / str(gain), PARAMS, TEST)
    for source in corpus.sources:
        plain, loud, quiet = (AudioFile(tmp_path / str(gain) / first.name / f"{source}.wav") for gain in (1, 30, 1e-4))
        assert loud.subtype == "FLOAT"
        scale = np.abs(plain[:]).max()
        np.testing.assert_allclose(loud[:] / 30, plain[:], atol=1e-5 * scale)
        np.testing.assert_allclose(quiet[:] * 1e4, plain[:], atol=1e-5 * scale)


def test_no_test_songs_is_one_line(corpus, tmp_path):
    replace(corpus, songs=corpus.of("train")).write()
    with pytest.raises(UserError, match="no songs of split test"):
        separate_corpus(corpus.root, tmp_path / "models", tmp_path / "estimates", PARAMS, TEST)


MEMORY = """
import resource, sys
import numpy as np
from tests.separation.test_blocks import Bands, PARAMS, separate

class Endless:
    def __init__(self, nb_samples):
        self.shape = nb_samples, 2
    def __getitem__(self, part):
        return np.sin(np.arange(part.start, part.stop, dtype=np.float32))[:, None].repeat(2, axis=1)

total = sum(block.shape[1] for block in separate(Endless(int(sys.argv[1])), 11025, Bands(), PARAMS))
assert total == int(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_long_songs_need_no_more_memory():
    def peak(seconds):
        return int(run("-c", MEMORY, seconds * 11025)[1])

    kilobyte = 1024 if sys.platform == "darwin" else 1
    assert peak(90) < peak(10) + 8000 * kilobyte  # the estimates have 24 000
