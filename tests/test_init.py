import subprocess
import sys

import pytest

import rnnsep
from rnnsep.app.arrays import separate_audio


def test_the_package_has_separate() -> None:
    assert rnnsep.separate is separate_audio


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="module 'rnnsep' has no attribute 'seperate'"):
        rnnsep.seperate  # noqa: B018


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import rnnsep; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.translate(str.maketrans("", "", "[]',\n")).split())
    assert not loaded & {"numpy", "tensorflow", "keras", "pandas"}
