"""Recurrent music source separation as a reproducible experiment pipeline.

`rnnsep.separate(audio, rate)` separates samples in memory, `rnnsep.evaluate(references, estimates, rate)` scores
estimates, and `rnnsep.museval` has museval's names.
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "separate":
        from rnnsep.app.arrays import separate

        return separate
    if name == "evaluate":
        from rnnsep.app.evaluating import evaluate

        return evaluate
    raise AttributeError(f"module 'rnnsep' has no attribute {name!r}")
