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
- `eval_mus_dir` reads estimates with the extension `ext`, which museval ignores; files that cannot be read or written
  raise, where museval leaves them out.
- `EvalStore` and `MethodStore` save and load CSV. museval's own files are pickles, which can run code when they are
  loaded; `load` rejects them.
- `MethodStore.add_sisec18` adds scores that ship with rnnsep: one score per song, the median over its frames. museval
  downloads a pickle with the scores of the frames.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import ArrayLike, NDArray

from rnnsep.museval import aggregate, metrics
from rnnsep.museval.aggregate import EvalStore, MethodStore, TrackStore, json2df
from rnnsep.running.files import write_text
from rnnsep.scoring.bsseval.bss_eval import bss_eval

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

Array = NDArray[np.float64]
Mode = Literal["v4", "v3"]


def evaluate(
    references: Iterable[ArrayLike],
    estimates: Iterable[ArrayLike],
    win: float = 44100,
    hop: float = 44100,
    mode: Mode = "v4",
    padding: bool = True,
) -> tuple[Array, Array, Array, Array]:
    """SDR, ISR, SIR, SAR (nb_sources, nb_frames) in dB by BSSEval v4, or v3 (images) framewise.

    `references` and `estimates` are arrays (nb_sources, nb_samples, nb_channels), or lists of arrays (nb_samples,
    nb_channels); `win` and `hop` are in samples. Estimates are padded with zeros or trimmed to the length of the
    references; without `padding`, ValueError is raised if lengths differ. Raises ValueError for an unknown `mode`,
    other differences in shape, and NaN or infinity in the audio.

    Frames in which a source is silent score NaN. If a source is silent throughout, so do all frames; museval raises.
    """
    if mode not in ("v4", "v3"):
        raise ValueError(f"mode {mode!r} must be v4 or v3")
    true, estimated = (
        [np.asarray(one) for one in islice(side, metrics.MAX_SOURCES + 1)] for side in (references, estimates)
    )
    if max(len(true), len(estimated)) > metrics.MAX_SOURCES:
        raise ValueError(f"more than {metrics.MAX_SOURCES} sources; give arrays (nb_sources, nb_samples, nb_channels)")
    lengths = {len(signal) for signal in (*true, *estimated)}
    if not padding and len(lengths) > 1:
        raise ValueError(f"references and estimates differ in length: {sorted(lengths)} samples; set padding=True")
    sdr, isr, sir, sar, _ = bss_eval(true, estimated, win, hop, framewise=mode == "v3")
    return sdr, isr, sir, sar


def pad_or_truncate(audio_reference: NDArray[Any], audio_estimates: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both (nb_sources, nb_samples, …), the estimates padded with zeros or trimmed to the length of the references."""
    nb_samples = audio_reference.shape[1]
    missing = max(nb_samples - audio_estimates.shape[1], 0)
    widths = [(0, 0), (0, missing)] + [(0, 0)] * (audio_estimates.ndim - 2)
    return audio_reference, np.pad(audio_estimates[:, :nb_samples], widths)


def eval_mus_track(
    track: Any,
    user_estimates: Mapping[str, NDArray[Any]],
    output_dir: str | Path | None = None,
    mode: Mode = "v4",
    win: float = 1.0,
    hop: float = 1.0,
) -> TrackStore:
    """Scores of the estimates of a musdb track, of those targets for which there is an estimate.

    `user_estimates` maps names of targets to arrays (nb_samples, nb_channels); `win` and `hop` are in s. `track` has
    `name`, `subset`, `rate` (Hz) and `targets`, which maps names to objects with `audio`. With estimates of vocals and
    accompaniment these two are scored by themselves, and only the other targets, if there are two or more with the
    vocals, are scored together. A single estimate gives a warning and no scores. Unless `output_dir` is None, writes
    `output_dir`/<subset>/<name>.json.

    See `evaluate` for silent sources and for errors.
    """
    store = TrackStore(track.name, win, hop)
    targets = [name for name in track.targets if name in user_estimates]
    pair = ["vocals", "accompaniment"] if {"vocals", "accompaniment"} <= set(targets) else []
    together = [name for name in targets if not pair or name != "accompaniment"]
    if len(together) < 2 and not pair:
        warnings.warn(
            f"{track.name}: BSSEval needs estimates of at least two targets; there are no scores", stacklevel=2
        )
    for names, scored in ((together, [name for name in together if name not in pair]), (pair, pair)):
        if len(names) >= 2 and scored:
            references = [track.targets[name].audio for name in names]
            estimates = [user_estimates[name] for name in names]
            scores = evaluate(references, estimates, int(win * track.rate), int(hop * track.rate), mode)
            _add(store, names, scores, scored)
    if output_dir is not None:
        write_text(Path(output_dir) / track.subset / f"{track.name}.json", store.json)
    return store


def eval_mus_dir(
    dataset: Iterable[Any], estimates_dir: str | Path, output_dir: str | Path | None = None, ext: str = "wav"
) -> None:
    """Score `estimates_dir`/<subset>/<track>/<target>.`ext` for each track of a musdb database that has estimates.

    Writes `output_dir`/<subset>/<track>.json (see `eval_mus_track`). Tracks without estimates are left out.
    """
    for track in dataset:
        folder = Path(estimates_dir) / track.subset / track.name
        estimates = {path.stem: soundfile.read(path, always_2d=True)[0] for path in _files(folder, ext)}
        if estimates:
            eval_mus_track(track, estimates, output_dir)


def eval_dir(
    reference_dir: str | Path,
    estimates_dir: str | Path,
    output_dir: str | Path | None = None,
    mode: Mode = "v4",
    win: float = 1.0,
    hop: float = 1.0,
) -> TrackStore:
    """Scores of the wav files in `estimates_dir` against those of the same names in `reference_dir`.

    Targets are named after the files, with `.wav`, in alphabetical order. Writes `output_dir`/<name of the folder of
    references>.json unless `output_dir` is None. Raises ValueError if there are no references, or names or rates
    differ. See `evaluate` for the rest.
    """
    sides = [
        {path.name: soundfile.read(path, always_2d=True) for path in _files(folder, "wav")}
        for folder in (Path(reference_dir), Path(estimates_dir))
    ]
    names = list(sides[0])
    if not names:
        raise ValueError(f"{reference_dir}: contains no wav files")
    if list(sides[1]) != names:
        raise ValueError(f"{estimates_dir}: has {', '.join(sides[1]) or 'no wav files'}, but needs {', '.join(names)}")
    rates = {rate for side in sides for _, rate in side.values()}
    if len(rates) > 1:
        raise ValueError(f"{reference_dir}, {estimates_dir}: files differ in rate: {sorted(rates)} Hz; resample them")
    rate = rates.pop()
    references, estimates = ([audio for audio, _ in side.values()] for side in sides)
    store = TrackStore(Path(reference_dir).name, win, hop)
    _add(store, names, evaluate(references, estimates, int(win * rate), int(hop * rate), mode), names)
    if output_dir is not None:
        write_text(Path(output_dir) / f"{Path(reference_dir).resolve().name}.json", store.json)
    return store


def _files(folder: Path, extension: str) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.name.endswith(f".{extension}"))


def _add(store: TrackStore, names: Sequence[str], scores: tuple[Array, ...], scored: Sequence[str]) -> None:
    """Add the targets `scored` of those named; `scores` are SDR, ISR, SIR, SAR."""
    for name, *values in zip(names, *scores, strict=True):
        if name in scored:
            store.add_target(name, dict(zip(("SDR", "ISR", "SIR", "SAR"), values, strict=True)))
