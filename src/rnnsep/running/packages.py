"""Packages that only the pipeline needs, such as TensorFlow and DVC. Separating and scoring run without them."""

import sys
from importlib.util import find_spec

# what the package imports (module names) of the extra `pipeline`
PIPELINE = ("dvc", "filelock", "jinja2", "jsonschema", "keras", "musdb", "museval", "PIL", "tensorflow", "vl_convert")


def require(*names: str) -> None:
    """Raises `ImportError` with the command that installs them if packages of the extra `pipeline` are missing."""
    missing = [name for name in names if name not in sys.modules and find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"{sys.executable} lacks {', '.join(missing)}: pip install 'rnnsep[pipeline]', or `uv run …` in a clone",
            name=missing[0],
        )
