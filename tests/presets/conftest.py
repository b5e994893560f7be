"""The small corpus of the training's tests."""

from tests.learning.conftest import bands, eager, features

__all__ = ["bands", "eager", "features"]
