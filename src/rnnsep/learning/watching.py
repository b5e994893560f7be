"""Curves of a training while it runs, for TensorBoard. They change nothing.

TensorBoard finds the runs `train` and `valid` next to the checkpoint (`train-2`, … for further networks).
"""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf


class Watch:
    """The curves of network `number` of a training, whose checkpoint lies in `folder`."""

    def __init__(self, folder: Path, number: int):
        self.folder, self.suffix = folder, f"-{number}" if number > 1 else ""
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def epoch(self, epoch: int, figures: Mapping[str, Mapping[str, float]]) -> None:
        """Write the figures of an epoch, by run and name."""
        for run, values in figures.items():
            if run not in self._writers:
                self._writers[run] = tf.summary.create_file_writer(str(self.folder / f"{run}{self.suffix}"))
            with self._writers[run].as_default(), tf.summary.record_if(True):
                for name, value in values.items():
                    tf.summary.scalar(f"epoch/{name}", value, step=epoch)
            self._writers[run].flush()
