import subprocess
import sys

import pytest

import rnnsep
from rnnsep.app.songs import separate_audio


def test_separate_is_at_hand_in_the_package() -> None:
    assert rnnsep.separate is separate_audio


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'rnnsep' has no attribute 'seperate'"):
        rnnsep.seperate  # noqa: B018


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import rnnsep; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.translate(str.maketrans("", "", "[]',\n")).split())
    assert not loaded & {"numpy", "tensorflow", "keras", "pandas"}
