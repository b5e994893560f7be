"""Recurrent music source separation as a reproducible experiment pipeline.

`rnnsep.separate(audio, rate)` separates samples in memory (see `rnnsep.app.arrays`);
`rnnsep.evaluate(references, estimates, rate)` scores estimates (see `rnnsep.app.evaluating`).
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

PACKAGES = (
    "av", "filelock", "jinja2", "jsonschema", "keras", "musdb", "museval", "numpy", "pandas", "PIL", "psutil",
    "scipy", "simplejson", "soundfile", "tensorflow", "threadpoolctl", "tqdm", "vl_convert", "yaml",
)  # fmt: skip

if missing := [name for name in PACKAGES if name not in sys.modules and find_spec(name) is None]:
    raise SystemExit(
        f"{sys.executable} lacks packages of rnnsep ({', '.join(missing)}); use `uv run dvc …`, or activate the"
        " environment"
    )

# results must not depend on the user's own settings of Keras, which it reads when it is imported
os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(Path(__file__).parent / "network" / "keras")}


def __getattr__(name: str) -> Any:
    if name == "separate":
        from rnnsep.app.arrays import separate_audio

        return separate_audio
    if name == "evaluate":
        from rnnsep.app.evaluating import evaluate

        return evaluate
    raise AttributeError(f"module 'rnnsep' has no attribute {name!r}")
