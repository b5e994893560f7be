import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsep.network.bands import Pooling, make_pooling, mel_bank


def test_widths_double_with_each_octave_above_the_corner():
    widths = make_pooling(1487, 44100 / 4096, 2000).widths
    assert widths == (1,) * 186 + (2,) * 93 + (4,) * 93 + (8,) * 92
    assert make_pooling(513, 15.6, None).widths == (1,) * 513


@given(nb_bins=st.integers(1, 600), spacing=st.floats(1, 100), corner=st.one_of(st.none(), st.floats(1, 20000)))
def test_bands_are_whole_and_miss_fewer_bins_than_the_last_is_wide(nb_bins, spacing, corner):
    pooling = make_pooling(nb_bins, spacing, corner)
    assert 0 <= nb_bins - pooling.nb_bins < 2 * pooling.widths[-1]
    assert list(pooling.widths) == sorted(pooling.widths)


@given(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=20).map(sorted), st.integers(0, 9))
def test_sums_over_bands(widths, above):
    pooling = Pooling(tuple(widths))
    x = np.random.default_rng(0).random((2, 3, sum(widths) + above, 2))
    expected = np.add.reduceat(x[:, :, : sum(widths)], np.cumsum([0, *widths[:-1]]), axis=2)
    np.testing.assert_allclose(pooling.sums(x), expected, rtol=1e-12)


def test_the_error_of_a_mask_that_is_constant_over_bands_comes_from_their_sums():
    random, pooling = np.random.default_rng(0), Pooling((1, 1, 2, 4))
    mixture, source = random.normal(size=(2, 5, 8, 1, 2)).view(np.complex128)[..., 0]
    mask = random.random((5, 4, 1))
    x, s = pooling.sums(np.abs(mixture) ** 2), pooling.sums(np.abs(source) ** 2)
    r = pooling.sums((source * mixture.conj()).real)
    error = np.abs(np.repeat(mask, pooling.widths, axis=-2) * mixture - source) ** 2
    np.testing.assert_allclose((mask**2 * x - 2 * mask * r + s).sum(), error.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("nb_bins", "nb_bands", "top"), [(201, 100, 8000), (9, 40, 4000), (1025, 20, 22050), (2, 2, 1)]
)
def test_mel_bands_are_triangles_evenly_spaced_in_mel_and_leave_no_bin_out(nb_bins, nb_bands, top):
    bank = mel_bank(nb_bins, nb_bands, top)
    assert bank.shape == (nb_bins, nb_bands)
    assert (bank.max(axis=0) > 0).all()
    assert (bank.max(axis=1) > 0).all()
    if nb_bands == 20:  # wide bands: neighbours share each bin between them
        np.testing.assert_allclose(bank.sum(axis=1), 1, atol=0.02)
        centres = 1127 * np.log1p(np.argmax(bank, axis=0) * top / (nb_bins - 1) / 700)
        np.testing.assert_allclose(np.diff(centres), centres[-1] / 19, atol=30)
