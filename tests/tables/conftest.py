"""Three systems on the same songs."""

import pytest

from tests.tables.systems import random_system


@pytest.fixture
def three(tmp_path):
    folders = [tmp_path / name for name in ("RNN", "MIX", "IRM1")]
    for seed, folder in enumerate(folders):
        random_system(folder / "test", seed, centre=(4, 1, 7)[seed])
    return folders
