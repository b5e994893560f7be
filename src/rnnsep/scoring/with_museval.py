"""BSS Eval by museval itself, to check ours (`evaluation.engine: museval`)."""

import sys
from collections.abc import Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

from rnnsep.running.packages import require
from rnnsep.scoring.bsseval.bss_eval import Scores, frame_spans
from rnnsep.scoring.bsseval.frames import Signals
from rnnsep.signal.streams import Audio


@cache
def museval() -> ModuleType:
    """museval, without ffmpeg, and with the name `np.linalg.linalg` that NumPy 2.3 removed; NumPy stays as it is."""
    require("museval")
    # museval imports musdb, which imports stempeg, which needs ffmpeg; scoring uses nothing of it
    with patch.dict(sys.modules, stempeg=ModuleType("stempeg")):
        for loaded in [name for name in sys.modules if name.split(".")[0] in ("musdb", "museval")]:
            del sys.modules[loaded]
        import museval as module
    numpy, linalg = ModuleType("numpy"), ModuleType("linalg")
    vars(numpy).update(__getattr__=partial(getattr, np), linalg=linalg)
    vars(linalg).update(__getattr__=partial(getattr, np.linalg), linalg=np.linalg)
    vars(module.metrics).update(np=numpy)
    found: ModuleType = module
    return found


def bss_eval(references: Sequence[Audio], estimates: Sequence[Audio], window: float, hop: float, **how: Any) -> Scores:
    """Like `bsseval.bss_eval.bss_eval`, with all samples in memory; NaN if a source is silent, where museval raises."""
    signals = Signals(references, estimates)
    audio = np.zeros((2 * signals.nb_sources, signals.nb_samples, signals.nb_channels))
    for whole, signal in zip(audio, signals.signals, strict=True):
        part = np.asarray(signal[: signals.nb_samples])
        whole[: len(part)] = part.reshape(len(part), -1)
    if not audio.sum(axis=2).any(axis=1).all():
        nb_frames = len(frame_spans(signals.nb_samples, window, hop))
        nan = np.full((signals.nb_sources, nb_frames), np.nan)
        return Scores(nan, nan, nan, nan, np.arange(signals.nb_sources))
    names = {"framewise": "framewise_filters", "filtered": "bsseval_sources_version", "nb_taps": "filters_len"}
    options = {names[name]: value for name, value in how.items()}
    return Scores(*museval().metrics.bss_eval(*np.split(audio, 2), window, hop, compute_permutation=False, **options))
