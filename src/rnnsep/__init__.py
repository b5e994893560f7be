"""Recurrent music source separation as a reproducible experiment pipeline.

`rnnsep.separate(audio, rate)` separates samples that are in memory (see `rnnsep.app.arrays`).
"""

from importlib.util import find_spec
from typing import Any

if find_spec("tensorflow") is None or find_spec("yaml") is None:  # DVC was started outside of the environment
    import sys

    raise SystemExit(f"{sys.executable} lacks the packages of rnnsep; use `uv run dvc …`, or activate the environment")


def __getattr__(name: str) -> Any:
    if name == "separate":
        from rnnsep.app.arrays import separate_audio

        return separate_audio
    raise AttributeError(f"module 'rnnsep' has no attribute {name!r}")
