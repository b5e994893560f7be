"""BSSEval against museval itself, whose least-squares fallback for singular systems is made to work again."""

import math

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from rnnsep.scoring import song_scores
from rnnsep.scoring.bsseval import bss_eval as scores
from rnnsep.scoring.bsseval import frames
from rnnsep.scoring.bsseval.bss_eval import bss_eval
from rnnsep.signal.audio import AudioFile

TAPS = 32
WHOLE = math.inf, math.inf  # window and hop
NOISE = 120  # dB: beyond, a score is rounding noise, in museval as here


@pytest.fixture(scope="module")
def metrics():
    """museval's metrics, able to find NumPy's LinAlgError."""
    return song_scores.museval().metrics


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


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(200, 2000),
    st.integers(50, 1000),
    st.integers(50, 1000),
    st.integers(1, 48),
)
@settings(deadline=None, max_examples=25)
def test_any_shape_window_and_hop_as_in_museval(
    metrics, seed, nb_sources, nb_channels, nb_samples, window, hop, nb_taps
):
    references, estimates = song(seed, nb_samples, nb_channels, nb_sources)
    compare(metrics, references, estimates, window, hop, nb_taps=nb_taps)


def test_512_taps(metrics):
    references, estimates = song(1, 25000, nb_channels=1, nb_sources=2)
    ours = bss_eval(references, estimates, 10000, 10000)
    assert_equal(ours, metrics.bss_eval(references, estimates, window=10000, hop=10000))
    assert ours.sdr.shape == (2, 2)


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


def test_16_bit(metrics):
    rng = np.random.default_rng(4)
    # a tone and quiet noise: 16-bit rounding is what keeps the system regular
    tones = np.sin(np.outer(np.arange(4000), [0.05, 0.11, 0.31, 0.62, 1.1, 2.3])).T.reshape(3, 2, 4000).swapaxes(1, 2)
    references = np.round(6000 * tones + 20 * rng.standard_normal((3, 4000, 2))) / 32768
    estimates = np.round(32768 * estimated(references, rng)) / 32768
    compare(metrics, references, estimates, tolerance=1e-6)


def test_low_passed(metrics):
    rng = np.random.default_rng(5)
    references = signal.lfilter(signal.firwin(101, 0.7), 1, rng.standard_normal((3, 4000, 2)), axis=1)
    estimates = signal.lfilter(signal.firwin(101, 0.8), 1, estimated(references, rng), axis=1)
    compare(metrics, references, estimates, tolerance=1e-5)


def equal(references):
    references[1, :, 1] = references[1, :, 0]


def each_its_way(references):
    """Equal channels, channels panned in opposite phase, and a silent one."""
    equal(references)
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


def test_equal_channels_where_museval_solves_too(metrics):
    references, _ = song(7)
    equal(references)
    estimates = estimated(references, np.random.default_rng(7))
    equal(estimates)
    compare(metrics, references, estimates)


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


@pytest.mark.parametrize("which", ["reference", "estimate"])
def test_a_silent_source_makes_a_frame_nan_for_all(metrics, which):
    references, estimates = song(9)
    (references if which == "reference" else estimates)[1, 1000:2000] = 0
    ours = compare(metrics, references, estimates)
    np.testing.assert_array_equal(np.isnan(ours.sdr), [[False, True, False]] * 3)


def test_opposite_channels_count_as_silent_as_in_museval(metrics):
    references, estimates = song(10)
    references[0, :1000, 1] = -references[0, :1000, 0]
    assert np.isnan(compare(metrics, references, estimates).sar[:, 0]).all()


@pytest.mark.parametrize("which", [0, 1])
def test_a_source_silent_throughout_makes_all_nan(metrics, which):
    signals = song(11)
    signals[which][1] = 0
    with pytest.raises(ValueError, match="non-silent"):
        metrics.bss_eval(*signals, window=1000, hop=1000)
    for score in bss_eval(*signals, 1000, 1000, nb_taps=TAPS)[:4]:
        assert score.shape == (3, 3)
        assert np.isnan(score).all()
    assert np.isnan(bss_eval(*signals, *WHOLE, nb_taps=TAPS, framewise=True, filtered=True).sdr).all()


def test_perfect_estimates():
    references, _ = song(12)
    ours = bss_eval(references, references.copy(), 1000, 1000, nb_taps=TAPS)
    assert (ours.sdr == math.inf).all()
    for score in (ours.isr, ours.sir, ours.sar):
        assert (score > NOISE).all()


@pytest.mark.parametrize("level", [1e-3, 1e-5, 1e-7])
def test_nearly_perfect_estimates(metrics, level):
    references, estimates = song(13, leak=0, noise=0)
    estimates = references + level * estimates[::-1]
    compare(metrics, references, estimates, tolerance=1e-6)


def test_shares_of_the_mixture_have_no_artefacts(metrics):
    references, _ = song(14)
    ours = compare(metrics, references, np.stack([references.mean(axis=0)] * 3))
    assert (ours.sar > NOISE).all()


@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_a_sum_of_references_is_not_filtered_again(monkeypatch, gain):
    references = np.round(32768 * song(7)[0].clip(-0.9, 0.9)) / 32768
    mixture = gain * references.sum(axis=0)
    estimates = np.array([mixture, mixture, references[0] - gain * references[2]])
    slow = bss_eval_slowly(monkeypatch, references, estimates)
    monkeypatch.setattr(frames, "_filtered", None)  # cannot be called
    fast = bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS)
    assert_equal(fast, slow, 1e-9)
    assert (fast.sar > 200).all()


def test_a_sum_with_one_sample_changed_is_filtered_again(monkeypatch):
    references = np.round(32768 * song(7)[0].clip(-0.9, 0.9)) / 32768
    mixture = references.sum(axis=0)
    mixture[1500, 0] += 2.0**-30
    slow = bss_eval_slowly(monkeypatch, references, [mixture] * 3)
    fast = bss_eval(references, [mixture] * 3, 1000, 1000, nb_taps=TAPS)
    np.testing.assert_array_equal(fast.sar[:, 1], slow.sar[:, 1])
    assert (fast.sar[:, 1] < 250).all()


def bss_eval_slowly(monkeypatch, references, estimates):
    with monkeypatch.context() as patch:
        patch.setattr(frames, "_are_sums", lambda *arguments: np.zeros(len(arguments[2]), bool))
        return bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS)


def test_quiet_frames_beside_loud_ones(metrics):
    """Energies 200 dB apart, where sums of large terms alone would leave no digits."""
    references, estimates = song(15)
    references[0, 1000:2000] *= 1e-10
    estimates[0, 1000:2000] *= 1e-10
    compare(metrics, references, estimates, tolerance=1e-6)


@pytest.mark.parametrize("nb_samples", [2500, 3600])
def test_estimates_are_cut_or_padded_as_in_museval(metrics, nb_samples):
    references, _ = song(16)
    estimates = np.random.default_rng(16).standard_normal((3, nb_samples, 2))
    ours = bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS)
    padded = song_scores.museval().pad_or_truncate(references, estimates)
    assert_equal(ours, metrics.bss_eval(*padded, window=1000, hop=1000, filters_len=TAPS))
    # and each by itself
    ragged = [estimates[0], np.concatenate((estimates[1], np.zeros((5000, 2)))), estimates[2]]
    assert_equal(bss_eval(references, ragged, 1000, 1000, nb_taps=TAPS), ours, 0)


def test_a_nan_frame_leaves_the_order_as_in_museval(metrics):
    references, estimates = song(18)
    references[0, :1000] = 0
    ours = bss_eval(references, estimates[::-1], 1000, 1000, permutation=True, nb_taps=TAPS)
    *theirs, found = metrics.bss_eval(
        references, estimates[::-1], window=1000, hop=1000, compute_permutation=True, filters_len=TAPS
    )
    assert_equal(ours, theirs)
    np.testing.assert_array_equal(ours.permutation, found[:, 0])


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 2), st.booleans())
@settings(deadline=None, max_examples=8)
def test_sources_version_as_in_museval(metrics, seed, nb_sources, nb_channels, permutation):
    references, estimates = song(seed, 2000, nb_channels, nb_sources)
    estimates = estimates[::-1]
    options = {"permutation": permutation, "framewise": True, "filtered": True}
    ours = bss_eval(references, estimates, *WHOLE, nb_taps=TAPS, **options)
    *theirs, order = metrics.bss_eval(references, estimates, *WHOLE, permutation, TAPS, True, True)
    np.testing.assert_array_equal(ours.permutation, order)
    assert_equal(ours, theirs)


def test_mono_signals_need_no_channel_axis():
    references, estimates = song(20, nb_channels=1)
    with_axis = bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS)
    without = bss_eval(list(references[:, :, 0]), list(estimates[:, :, 0]), 1000, 1000, nb_taps=TAPS)
    assert_equal(without, with_axis, 0)


def test_any_number_type_and_common_scale():
    references, estimates = (np.round(1000 * audio).astype(np.int16) for audio in song(21))
    integers = bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS)
    floats = bss_eval(references / 32768, (estimates / 32768).astype(np.float32), 1000, 1000, nb_taps=TAPS)
    assert_equal(integers, floats, 1e-9)


def test_inputs_stay_as_they_are():
    references, estimates = song(22)
    references.flags.writeable = estimates.flags.writeable = False
    bss_eval(references, estimates, 1000, 500, nb_taps=TAPS)


def test_files_are_read_in_parts(tmp_path, monkeypatch):
    references, estimates = song(23, 12000)
    read = []

    def files(folder, signals):
        folder.mkdir()
        for index, audio in enumerate(signals):
            soundfile.write(folder / f"{index}.wav", 0.1 * audio, 8000, subtype="FLOAT")
            yield AudioFile(folder / f"{index}.wav")

    opened = list(files(tmp_path / "references", references)), list(files(tmp_path / "estimates", estimates))
    original = AudioFile.__getitem__
    monkeypatch.setattr(
        AudioFile, "__getitem__", lambda file, part: (read.append(part.stop - part.start), original(file, part))[1]
    )
    from_files = bss_eval(*opened, 1000, 1000, nb_taps=TAPS)
    assert max(read) <= 1000
    assert_equal(from_files, bss_eval(references, estimates, 1000, 1000, nb_taps=TAPS), 1e-4)


@pytest.mark.parametrize(
    ("references", "estimates", "message"),
    [
        (np.ones((2, 9, 2)), np.ones((3, 9, 2)), "2 references and 3 estimates"),
        ([], [], "0 references"),
        (np.ones((2, 9, 2)), np.ones((2, 9, 1)), "differ in shape"),
        (np.ones((2, 2, 9)), np.ones((2, 2, 9)), "transpose"),
        ([np.ones((9, 2)), np.ones((8, 2))], np.ones((2, 9, 2)), "differ in shape"),
        (np.ones((2, 0, 2)), np.ones((2, 9, 2)), "must have shape"),
        (np.ones((2, 9, 3, 1)), np.ones((2, 9, 3, 1)), "must have shape"),
        (np.full((2, 9, 2), np.nan), np.ones((2, 9, 2)), "NaN"),
        (np.ones((2, 9, 2)), np.full((2, 9, 2), np.inf), "NaN or infinity"),
    ],
)
def test_impossible_signals(references, estimates, message):
    with pytest.raises(ValueError, match=message):
        bss_eval(references, estimates, 4, 4, nb_taps=2)


@pytest.mark.parametrize(("window", "hop"), [(0, 1), (1, 0), (-1, 1)])
def test_impossible_frames(window, hop):
    with pytest.raises(ValueError, match="at least one sample"):
        bss_eval(*song(0), window, hop)
