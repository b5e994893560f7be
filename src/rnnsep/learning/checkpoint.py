"""The checkpoint of a training, from which a killed run resumes."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rnnsep.running import files


@dataclass
class Checkpoint:
    """All that the epochs after the last finished one depend on."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")  # validation loss, or minus the validation SDR (see `criterion`)
    history: list[tuple[float, ...]] = field(default_factory=list)
    best_weights: list[np.ndarray] = field(default_factory=list)

    @staticmethod
    def epochs_in(path: Path) -> int:
        """Number of epochs of the training whose state is stored, 0 without a file."""
        if not path.exists():
            return 0
        with np.load(path, allow_pickle=False) as stored:
            return int(json.loads(stored["json"].tobytes())["epoch"])

    def write(self, path: Path, variables: list[Any]) -> None:
        """Write one npz with `state_i`, `best_i` and the rest as JSON, atomically."""
        arrays = {f"state_{i}": variable.numpy() for i, variable in enumerate(variables)}
        arrays |= {f"best_{i}": weight for i, weight in enumerate(self.best_weights)}
        text = json.dumps({name: value for name, value in vars(self).items() if name != "best_weights"})
        with files.whole(path) as temporary:
            np.savez(temporary, json=np.frombuffer(text.encode(), np.uint8), **arrays)

    @classmethod
    def read(cls, path: Path, variables: list[Any]) -> "Checkpoint":
        """The stored state; sets `variables` to the stored values."""
        with np.load(path, allow_pickle=False) as stored:
            for i, variable in enumerate(variables):
                variable.assign(stored[f"state_{i}"])
            state = cls(**json.loads(stored["json"].tobytes()))
            nb_best = sum(name.startswith("best_") for name in stored.files)
            state.best_weights = [stored[f"best_{i}"] for i in range(nb_best)]
        state.history = [tuple(row) for row in state.history]
        return state
