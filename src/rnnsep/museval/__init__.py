"""museval's functions and classes, computed by our engine: `from rnnsep import museval` replaces `import museval`.

Names, arguments, results and JSON are those of museval 0.4; scores agree as described in `rnnsep.scoring.bsseval`.
The differences, all of them intended:

- A source that is silent throughout scores NaN in `evaluate` and in the functions that call it, where museval raises
  ValueError. The functions in `metrics` raise, as museval's do.
- Singular systems, such as a stem with equal channels, are solved; museval 0.4.1 fails on some of them.
- NaN or infinity in the audio, and an unknown `mode`, raise ValueError. museval returns NaN, or scores by v4.
- `evaluate` pads or trims each estimate by itself; museval wants all estimates to have one length.
- `eval_dir` pairs references and estimates by file name; museval pairs them in the order of the directory listing,
  which may differ. With `output_dir` it writes the JSON, as museval documents and does not do.
- `eval_mus_dir` reads estimates with the ending `ext`, which museval ignores; files that cannot be read or written
  raise, where museval leaves them out.
- `EvalStore` and `MethodStore` save and load CSV. museval's own files are pickles, which can run code when they are
  loaded; `load` rejects them.
- `MethodStore.add_sisec18` adds scores that ship with rnnsep: one score per song, the median over its frames. museval
  downloads a pickle with the scores of the frames.
"""

from rnnsep.museval import aggregate, metrics
from rnnsep.museval.aggregate import EvalStore, MethodStore, TrackStore, json2df
from rnnsep.museval.functions import eval_dir, eval_mus_dir, eval_mus_track, evaluate, pad_or_truncate

__all__ = [
    "EvalStore",
    "MethodStore",
    "TrackStore",
    "aggregate",
    "eval_dir",
    "eval_mus_dir",
    "eval_mus_track",
    "evaluate",
    "json2df",
    "metrics",
    "pad_or_truncate",
]
