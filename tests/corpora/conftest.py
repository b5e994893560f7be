"""What the tests of corpora share."""

import pytest


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setenv("RNNSEP_WORKERS", "1")
