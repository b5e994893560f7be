"""Recurrent music source separation as a reproducible experiment pipeline.

`rnnsep.separate(audio, rate)` separates samples in memory, `rnnsep.evaluate(references, estimates, rate)` scores
estimates, and `rnnsep.museval` has museval's names.
"""

import os
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# results must not depend on the user's own settings of Keras, which it reads when it is imported
os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(Path(__file__).parent / "network" / "keras")}


def __getattr__(name: str) -> Any:
    if name == "separate":
        from rnnsep.app.arrays import separate

        return separate
    if name == "evaluate":
        from rnnsep.app.evaluating import evaluate

        return evaluate
    raise AttributeError(f"module 'rnnsep' has no attribute {name!r}")
