"""Import museval without ffmpeg.

museval imports musdb, which imports stempeg, which refuses to be imported without ffmpeg and ffprobe. Scoring uses
nothing of stempeg, so an empty module takes its place if it cannot be imported.
"""

import sys
from types import ModuleType
from typing import cast

from rnnsep.running.packages import require


def museval() -> ModuleType:
    """The module museval."""
    require("museval")
    try:
        import museval as module
    except RuntimeError:  # stempeg's, without ffmpeg
        sys.modules["stempeg"] = ModuleType("stempeg")
        import museval as module

        for name in [name for name in sys.modules if name.split(".")[0] in ("stempeg", "musdb")]:
            del sys.modules[name]  # another import of these gets the error
    return cast(ModuleType, module)
