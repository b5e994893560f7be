"""The small corpus of the training's tests."""

from tests.learning.conftest import bands, features

__all__ = ["bands", "features"]
