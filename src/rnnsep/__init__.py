"""Recurrent music source separation as a reproducible experiment pipeline.

`rnnsep.separate(audio, rate)` separates samples that are in memory (see `rnnsep.app.arrays`).
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "separate":
        from rnnsep.app.arrays import separate_audio

        return separate_audio
    raise AttributeError(f"module 'rnnsep' has no attribute {name!r}")
