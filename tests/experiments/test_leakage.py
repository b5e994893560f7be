"""The energy of each source behind each mask."""

from types import SimpleNamespace

import numpy as np

from experiments.leakage import passed


def model(masks):
    """A model whose masks are given."""
    return SimpleNamespace(masks=lambda _: masks, spread=lambda masks: masks)


def test_masks_that_sum_to_one_share_the_energy_of_each_source_among_them():
    random = np.random.default_rng(0)
    sources = random.standard_normal((3, 5, 4, 2)) + 1j * random.standard_normal((3, 5, 4, 2))
    energies = np.square(np.abs(sources)).sum(axis=(1, 2, 3))
    masks = random.dirichlet(np.ones(3), (5, 4, 2)).transpose(3, 0, 1, 2)
    np.testing.assert_allclose(passed(model(masks), sources).sum(axis=0), energies / energies.sum())
    first = np.zeros((3, 5, 4, 2))
    first[0] = 1  # lets all sources through
    np.testing.assert_allclose(passed(model(first), sources), [energies / energies.sum(), [0] * 3, [0] * 3])
