"""
Curves of a training while it runs: event files for TensorBoard, and files in DVCLive's format.

TensorBoard finds the runs `train` and `valid` next to the checkpoint (`train-2`, … for further networks). DVC and its
extension for VS Code find `dvclive` in the working folder until the training ends; then `history.tsv` has the losses.
Nothing here changes a training.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from rnnsep.learning.distribution import helps
from rnnsep.running import files

LIVE = Path("dvclive")
VARIABLE = "RNNSEP_WATCH"
DVC_YAML = "metrics:\n- metrics.json\nplots:\n- plots/metrics:\n    x: step\n"

Figures = Mapping[str, Mapping[str, float]]  # run -> name -> value


def wanted() -> bool:
    """Whether this process is to write curves: not with RNNSEP_WATCH=0, nor in one that helps the chief."""
    return os.environ.get(VARIABLE) != "0" and not helps()


class Watch:
    """The curves of network `number` of a training, whose checkpoint lies in `folder`."""

    def __init__(self, folder: Path, number: int):
        self.folder, self.suffix = folder, f"-{number}" if number > 1 else ""
        self.live = LIVE if number == 1 else None
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def epoch(self, figures: Figures, history: Sequence[tuple[float, ...]]) -> None:
        """Write the figures of an epoch; `history` has the rows of all epochs so far (see `training.HISTORY`)."""
        epoch = int(history[-1][0])
        for run, values in figures.items():
            for name, value in values.items():
                self._write(run, f"epoch/{name}", value, epoch)
        for writer in self._writers.values():
            writer.flush()
        if self.live:
            _write_live(self.live, history)

    def close(self) -> None:
        """Close the event files and remove the live ones."""
        for writer in self._writers.values():
            writer.close()
        if self.live:
            shutil.rmtree(self.live, ignore_errors=True)

    def _write(self, run: str, tag: str, value: float, step: int) -> None:
        if run not in self._writers:
            self._writers[run] = tf.summary.create_file_writer(str(self.folder / f"{run}{self.suffix}"))
        with self._writers[run].as_default(), tf.summary.record_if(True):
            tf.summary.scalar(tag, value, step=step)


def _write_live(folder: Path, history: Sequence[tuple[float, ...]]) -> None:
    """Write the losses of all epochs so far as DVCLive does."""
    epochs, train, valid, rate, *_ = map(list, zip(*history, strict=True))
    metrics: dict[str, object] = {"step": epochs[-1]}
    for run, name, values in (("train", "loss", train), ("valid", "loss", valid), ("", "learning_rate", rate)):
        if np.isnan(values).any():
            continue  # there are no validation songs
        rows = "".join(f"{epoch}\t{value:.6g}\n" for epoch, value in zip(epochs, values, strict=True))
        files.write_text(folder / "plots" / "metrics" / run / f"{name}.tsv", f"step\t{name}\n{rows}")
        metrics |= {run: {name: values[-1]}} if run else {name: values[-1]}
    files.write_json(folder / "metrics.json", metrics)
    files.write_text(folder / "dvc.yaml", DVC_YAML)
