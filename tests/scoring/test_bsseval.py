"""BSSEval against museval itself, whose least-squares fallback for singular systems is made to work again."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from rnnsep.scoring.bsseval import bss_eval as scores
from rnnsep.scoring.bsseval import frames
from rnnsep.scoring.bsseval.bss_eval import bss_eval
from rnnsep.scoring.with_museval import museval
from rnnsep.signal.decoding import decode

TAPS = 32
WHOLE = math.inf, math.inf  # window and hop
NOISE = 120  # dB: beyond, a score is rounding noise, in museval as here


@pytest.fixture(scope="module")
def metrics():
    return museval().metrics


@pytest.fixture
def least_squares(monkeypatch):
    """Makes museval take the least-squares solution at once, as it means to where a system is singular."""

    def singular(*matrices):
        raise np.linalg.LinAlgError

    monkeypatch.setattr(np.linalg, "solve", singular)


def song(seed, nb_samples=3000, nb_channels=2, nb_sources=3, leak=0.2, noise=0.3):
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((nb_sources, nb_samples, nb_channels)) * rng.uniform(0.1, 1, (nb_sources, 1, 1))
    return references, estimated(references, rng, leak, noise)


def estimated(references, rng, leak=0.2, noise=0.3):
    """Each source with some of the others, filtered, and with noise."""
    mixed = references + leak * np.roll(references, 1, axis=0) + 0.1 * np.roll(references, 3, axis=1)
    return mixed + noise * references.std() * rng.standard_normal(references.shape)


def assert_equal(ours, museval, tolerance=1e-9):
    """Equal shapes, NaN frames, and scores in dB."""
    for name, mine, theirs in zip(("SDR", "ISR", "SIR", "SAR"), ours, museval, strict=False):
        assert mine.shape == theirs.shape, name
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(theirs), name)
        valid = ~np.isnan(mine)
        np.testing.assert_allclose(
            mine[valid].clip(max=NOISE), theirs[valid].clip(max=NOISE), rtol=0, atol=tolerance, err_msg=name
        )


def compare(metrics, references, estimates, window=1000, hop=1000, tolerance=1e-9, nb_taps=TAPS):
    ours = bss_eval(references, estimates, window, hop, nb_taps=nb_taps)
    theirs = metrics.bss_eval(references, estimates, window=window, hop=hop, filters_len=nb_taps)
    assert_equal(ours, theirs, tolerance)
    return ours


sizes = st.tuples(st.integers(200, 2000), st.integers(1, 2), st.integers(1, 3))  # nb_samples, nb_channels, nb_sources
steps = st.integers(50, 1000)


@given(st.integers(0, 2**32 - 1), sizes, steps, steps, st.integers(1, 48))
@settings(max_examples=25)
def test_any_shape_window_and_hop_as_in_museval(metrics, seed, size, window, hop, nb_taps):
    references, estimates = song(seed, *size)
    compare(metrics, references, estimates, window, hop, nb_taps=nb_taps)


def sixteen_bits(references, estimates):
    """A tone and quiet noise: 16-bit rounding is what keeps the system regular."""
    rng = np.random.default_rng(4)
    tones = np.sin(np.outer(np.arange(3000), [0.05, 0.11, 0.31, 0.62, 1.1, 2.3])).T.reshape(3, 2, 3000).swapaxes(1, 2)
    references[:] = np.round(6000 * tones + 20 * rng.standard_normal(tones.shape))
    estimates[:] = np.round(estimated(references, rng))


def low_passed(references, estimates):
    references[:] = signal.lfilter(signal.firwin(101, 0.7), 1, references, axis=1)
    estimates[:] = signal.lfilter(signal.firwin(101, 0.8), 1, estimates, axis=1)


def silent(references, estimates):
    references[1, 1000:2000] = estimates[0, 2000:] = 0


def opposite(references, estimates):
    """The channels sum to silence."""
    references[0, :1000, 1] = -references[0, :1000, 0]


def quiet(references, estimates):
    """Energies 200 dB apart, where sums of large terms alone would leave no digits."""
    references[0, 1000:2000] *= 1e-10
    estimates[0, 1000:2000] *= 1e-10


def shares(references, estimates):
    """Of the mixture, which have no artefacts."""
    estimates[:] = references.mean(axis=0)


def nearly_perfect(references, estimates):
    estimates[:] = references + np.reshape([1e-3, 1e-5, 1e-7], (3, 1, 1)) * estimates[::-1]


@pytest.mark.parametrize(
    ("change", "tolerance", "nan_frames"),
    [
        (sixteen_bits, 1e-6, 0),
        (low_passed, 1e-5, 0),
        (silent, 1e-9, 2),
        (opposite, 1e-9, 1),
        (quiet, 1e-6, 0),
        (nearly_perfect, 1e-6, 0),
        (shares, 1e-9, 0),
    ],
)
def test_difficult_signals_as_in_museval(metrics, change, tolerance, nan_frames):
    references, estimates = song(15)
    change(references, estimates)
    ours = compare(metrics, references, estimates, tolerance=tolerance)
    assert np.isnan(ours.sdr).sum() == 3 * nan_frames


def test_long_frames_go_in_chunks(metrics, monkeypatch):
    monkeypatch.setattr(frames, "CHUNK", 2)
    compare(metrics, *song(2), window=1400, hop=1400)
    compare(metrics, *song(2), window=9000, hop=9000)


def test_frames_that_are_not_kept_are_measured_again(monkeypatch):
    references, estimates = song(3, 8000)
    kept = bss_eval(references, estimates, 500, 500, nb_taps=TAPS)
    monkeypatch.setattr(scores, "BATCH", 3)
    for nb_frames in (0, 1, 4):
        monkeypatch.setattr(scores, "KEPT", nb_frames * 16 * TAPS * 36)
        again = bss_eval(references, estimates, 500, 500, nb_taps=TAPS)
        for ours, theirs in zip(again[:4], kept[:4], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def each_its_way(references):
    """Equal channels, channels panned in opposite phase, and a silent one."""
    references[1, :, 1] = references[1, :, 0]
    references[0, :, 1] = -0.25 * references[0, :, 0]
    references[2, :, 0] = 0


def panned_inexactly(references):
    references[0, :, 1] = np.float32(0.7) * references[0, :, 0].astype(np.float32)


def sum_of_others(references):
    references[2] = references[0] + references[1]


def delayed(references):
    references[1, -5:, 0] = 0
    references[1, :, 1] = np.roll(references[1, :, 0], 5)


@pytest.mark.parametrize(
    ("dependent", "tolerance"),
    [
        (each_its_way, 1e-9),
        (panned_inexactly, 1e-5),
        (sum_of_others, 1e-9),
        (delayed, 1e-3),  # not in one instant: solved with a load on the diagonal
    ],
)
def test_dependent_channels_as_by_least_squares(metrics, least_squares, dependent, tolerance):
    rng = np.random.default_rng(6)
    references = rng.standard_normal((3, 3000, 2))
    dependent(references)
    compare(metrics, references, estimated(references, rng), tolerance=tolerance)


def test_nearly_equal_channels_lose_nothing(metrics):
    """Left and right that differ by -140 dB: as many digits as where they differ by 0 dB."""
    rng = np.random.default_rng(8)
    middle, side = rng.standard_normal((2, 3, 3000))
    references = np.stack((middle + 1e-7 * side, middle - 1e-7 * side), axis=2)
    wide = np.stack((middle + side, middle - side), axis=2)
    estimates = estimated(wide, rng)
    near = bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS)
    far = bss_eval(wide, estimates, 1000, 1000, nb_taps=TAPS)
    # both span the same space, so the projections on all references are the same
    np.testing.assert_allclose(near.sar, far.sar, rtol=0, atol=1e-6)


@pytest.mark.parametrize("nb_samples", [2500, 3600])
def test_estimates_are_cut_or_padded_as_in_museval(metrics, nb_samples):
    references, _ = song(16)
    estimates = np.random.default_rng(16).standard_normal((3, nb_samples, 2))
    ours = bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS)
    padded = museval().pad_or_truncate(references, estimates)
    assert_equal(ours, metrics.bss_eval(*padded, window=1000, hop=1000, filters_len=TAPS))
    # and each by itself
    ragged = [estimates[0], np.concatenate((estimates[1], np.zeros((5000, 2)))), estimates[2]]
    assert_equal(bss_eval(references, ragged, 1000, 1000, nb_taps=TAPS), ours, 0)


def test_any_number_type_and_common_scale():
    references, estimates = (np.round(1000 * audio).astype(np.int16) for audio in song(21))
    integers = bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS)
    floats = bss_eval(references / 32768, (estimates / 32768).astype(np.float32), 1000, 1000, nb_taps=TAPS)
    assert_equal(integers, floats, 1e-9)
    mono = [bss_eval(references[:, :, own], estimates[:, :, own], 1000, 1000, nb_taps=TAPS) for own in (0, slice(1))]
    assert_equal(mono[0], mono[1], 0)


def test_impossible_signals():
    for references, estimates, message in (
        (np.ones((2, 9, 2)), np.ones((3, 9, 2)), "2 references and 3 estimates"),
        ([], [], "0 references"),
        (np.ones((2, 9, 2)), np.ones((2, 9, 1)), "differ in shape"),
        (np.ones((2, 2, 9)), np.ones((2, 2, 9)), "transpose"),
        ([np.ones((9, 2)), np.ones((8, 2))], np.ones((2, 9, 2)), "differ in shape"),
        (np.ones((2, 0, 2)), np.ones((2, 9, 2)), "must have shape"),
        (np.ones((2, 9, 3, 1)), np.ones((2, 9, 3, 1)), "must have shape"),
        (np.full((2, 9, 2), np.nan), np.ones((2, 9, 2)), "NaN"),
        (np.ones((2, 9, 2)), np.full((2, 9, 2), np.inf), "NaN or infinity"),
    ):
        with pytest.raises(ValueError, match=message):
            bss_eval(references, estimates, 4, 4, nb_taps=2)
        with pytest.raises(ValueError, match="at least one sample"):
            bss_eval(*song(0), 0, 1)


def excerpt(shared_data, song):
    """Three seconds of four stems of 16 bits, and estimates with some of the other stems and noise."""
    path = shared_data / "musdb18-7s" / f"{song}.stem.mp4"
    stems = [np.concatenate(list(decode(path, stream)[1]))[44100 : 4 * 44100] for stream in range(1, 5)]
    references = np.stack(stems).astype(np.float64)
    estimates = 0.8 * references + 0.2 * references.sum(axis=0)
    estimates += 0.02 * references.std() * np.random.default_rng(0).standard_normal(references.shape)
    return np.round(references * 32768), np.round(estimates * 32768)


@pytest.mark.real
def test_a_song_as_in_museval(metrics, shared_data):
    """With 128 taps, since museval is slow."""
    compare(metrics, *excerpt(shared_data, "test/Arise - Run Run Run"), 44100, 44100, 1e-6, nb_taps=128)


@pytest.mark.real
@pytest.mark.long
def test_a_song_with_equal_channels_as_by_least_squares(metrics, least_squares, shared_data):
    """As it is, museval's scores are off by up to several dB, where it does not raise an exception."""
    references, estimates = excerpt(shared_data, "train/Fergessen - The Wind")
    assert any(np.array_equal(*stem.T) for stem in references)
    compare(metrics, references, estimates, 44100, 44100, 1e-6, nb_taps=128)
