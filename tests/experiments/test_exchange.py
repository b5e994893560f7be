"""Stems of another corpus in place of a song's own."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments.exchange import excerpt


def corpus(*stems):
    return SimpleNamespace(stem=lambda song, _: stems[song])


def test_an_exchanged_stem_is_part_of_a_song_with_the_energy_of_the_own_one():
    random = np.random.default_rng(0)
    other = random.standard_normal((50, 2)).astype(np.float32)
    own = 3 * random.standard_normal((8, 2)).astype(np.float32)
    found = excerpt(corpus(other), [0], "drums", own, random)
    np.testing.assert_allclose(np.sum(found**2), np.sum(own**2), rtol=1e-5)
    parts = [other[start : start + 8] for start in range(43)]
    assert any(np.allclose(found / found[0, 0], part / part[0, 0]) for part in parts)


def test_silent_stems_are_passed_over():
    random = np.random.default_rng(0)
    loud, own = np.full((20, 2), 0.5, np.float32), np.ones((8, 2), np.float32)
    np.testing.assert_allclose(excerpt(corpus(0 * loud, loud), [0, 1], "bass", own, random), own)
    with pytest.raises(ValueError, match="silent"):
        excerpt(corpus(0 * loud), [0], "bass", own, random)
