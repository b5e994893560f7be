"""The checkpoint of a training, from which a killed run resumes."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rnnsep.running import files


class Checkpoint:
    """All that the epochs after the last finished one depend on."""

    def __init__(self) -> None:
        self.epoch = self.best_epoch = 0
        self.best_loss = float("inf")  # validation loss, or minus the validation SDR (see `criterion`)
        self.best_weights: list[np.ndarray] = []
        self.history: list[tuple[float, ...]] = []

    @staticmethod
    def epochs_in(path: Path) -> int:
        """Number of epochs of the training whose state is stored, 0 without a file."""
        if not path.exists():
            return 0
        with np.load(path, allow_pickle=False) as stored:
            return int(json.loads(stored["json"].tobytes())["epoch"])

    def write(self, path: Path, variables: list[Any]) -> None:
        """Write one npz with `state_i`, `best_i` and the rest as JSON, atomically."""
        numbers = {"epoch": self.epoch, "best_epoch": self.best_epoch, "best_loss": self.best_loss}
        arrays = {f"state_{i}": variable.numpy() for i, variable in enumerate(variables)}
        arrays |= {f"best_{i}": weight for i, weight in enumerate(self.best_weights)}
        text = json.dumps({**numbers, "history": self.history})
        with files.whole(path) as temporary:
            np.savez(temporary, json=np.frombuffer(text.encode(), np.uint8), **arrays)

    @classmethod
    def read(cls, path: Path, variables: list[Any]) -> "Checkpoint":
        """The stored state; sets `variables` to the stored values."""
        state = cls()
        with np.load(path, allow_pickle=False) as stored:
            for i, variable in enumerate(variables):
                variable.assign(stored[f"state_{i}"])
            numbers = json.loads(stored["json"].tobytes())
            nb_best = sum(name.startswith("best_") for name in stored.files)
            state.best_weights = [stored[f"best_{i}"] for i in range(nb_best)]
        state.epoch, state.best_epoch = numbers["epoch"], numbers["best_epoch"]
        state.best_loss, state.history = numbers["best_loss"], [tuple(row) for row in numbers["history"]]
        return state
