from itertools import pairwise

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnnsep.params import ParamError, parse
from rnnsep.signal.stft import Inverse, StftParams, stft, taper
from rnnsep.signal.streams import Adapted, with_channels
from tests.sound import noise

SECTION = {"sample_rate": 8000, "window": 512, "hop": 256, "channels": "stereo", "taper": "hann"}


@st.composite
def transforms(draw):
    window, taper = draw(st.integers(2, 70)), draw(st.sampled_from(["hann", "sine"]))
    hop = draw(st.integers(1, window))
    params = StftParams(sample_rate=8000, window=window, hop=hop, channels="stereo", taper=taper)
    try:
        params.check()
    except ParamError:
        assume(False)
    return params


@settings(max_examples=300)
@given(params=transforms(), nb_samples=st.integers(1, 300), nb_channels=st.integers(1, 3), data=st.data())
def test_perfect_reconstruction_in_any_blocks(params, nb_samples, nb_channels, data):
    audio = noise(nb_samples, nb_channels)
    spectra = stft(audio, params)
    assert spectra.shape == (params.nb_frames(nb_samples), params.nb_bins, nb_channels)
    assert spectra.dtype == np.complex64
    cuts = sorted(data.draw(st.lists(st.integers(0, len(spectra)), max_size=5)))
    inverse = Inverse(params, nb_samples)
    blocks = [inverse(spectra[start:stop]) for start, stop in pairwise([0, *cuts, len(spectra)])]
    rebuilt = np.concatenate(blocks)
    with pytest.raises(ValueError, match="only 0 left"):
        inverse(spectra[:1])
    assert rebuilt.dtype == np.float32
    np.testing.assert_allclose(rebuilt, audio, atol=3e-5)  # float32, divided by as little as a hundredth


@given(params=transforms(), nb_samples=st.integers(1, 300), data=st.data())
def test_frames_alone_are_those_of_the_whole(params, nb_samples, data):
    """And only their samples are read."""
    audio = noise(nb_samples, 2)
    whole = stft(audio, params)
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))
    first = start * params.hop - params.window // 2
    read = audio.copy()
    read[: max(first, 0)] = read[max(first + (stop - 1 - start) * params.hop + params.window, 0) :] = np.nan
    np.testing.assert_allclose(stft(read, params, start, stop), whole[start:stop], atol=1e-6)


@pytest.mark.parametrize("name", ["hann", "sine"])
def test_frames_are_scipys(name):
    """Against ShortTimeFFT with the same taper: the same up to scaling and the frames' places."""
    params = StftParams(sample_rate=8000, window=512, hop=128, channels="stereo", taper=name)
    audio = noise(5000, 2)
    window = scipy.signal.get_window("hann", 512) if name == "hann" else scipy.signal.windows.cosine(512)
    np.testing.assert_allclose(taper(name, 512), window, atol=1e-12)
    peer = scipy.signal.ShortTimeFFT(window, 128, 8000, phase_shift=None)
    expected = peer.stft(audio.astype(float), axis=0, p0=0, p1=params.nb_frames(5000))
    # (nb_bins, nb_channels, nb_frames) -> (nb_frames, nb_bins, nb_channels)
    expected = expected.transpose(2, 0, 1) / np.sqrt(np.sum(window**2))
    np.testing.assert_allclose(stft(audio, params), expected, atol=1e-5)


def test_impossible_parameters_are_one_line():
    for changes, message in (
        ({"hop": 513}, r"^stft\.hop: must not exceed the window of 512 samples"),
        ({"hop": 512}, r"^stft\.hop: 512 is too large for the hann taper of 512 samples; 256 or less"),
        ({"hop": 500, "taper": "sine"}, r"^stft\.hop: 500 is too large"),
        ({"hop": 0}, r"^stft\.hop: must be at least 1"),
        ({"window": 1, "hop": 1}, r"^stft\.window: must be from 2 to"),
        ({"sample_rate": 0}, r"^stft\.sample_rate: must be from 1000 to"),
        ({"channels": "quad"}, r"^stft\.channels: must be one of mono, stereo"),
    ):
        with pytest.raises(ParamError, match=message):
            parse(StftParams, SECTION | changes, "stft")


def test_channels():
    stereo, surround = noise(50, 2), noise(50, 3)
    np.testing.assert_array_equal(with_channels(stereo, 2), stereo)
    np.testing.assert_allclose(with_channels(stereo, 1), stereo.mean(axis=1, keepdims=True), atol=1e-7)
    np.testing.assert_array_equal(with_channels(stereo[:, :1], 2), stereo[:, [0, 0]])
    np.testing.assert_allclose(with_channels(surround, 2), surround.mean(axis=1)[:, None].repeat(2, 1), atol=1e-7)
    mono = Adapted(stereo, 1)
    assert mono.shape == (50, 1)
    np.testing.assert_array_equal(mono[10:20], with_channels(stereo, 1)[10:20])
