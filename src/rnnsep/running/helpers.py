"""Processes that train one network together, as `TF_CONFIG` names them.

The first is the chief, which runs the stage. The others help: their outputs are discarded.
"""

import json
import os

from rnnsep.running.errors import UserError

VARIABLE = "TF_CONFIG"


def task() -> tuple[int, int]:
    """Index of this worker (0: the chief) and number of workers, from TF_CONFIG; (0, 1) without it."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return 0, 1
    try:
        config = json.loads(text)
        if set(config["cluster"]) != {"worker"} or config["task"]["type"] != "worker":
            raise ValueError
        number, count = int(config["task"]["index"]), len(config["cluster"]["worker"])
        if not 0 <= number < count:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{VARIABLE}: must name workers only and the index of this one (see docs/machines.md), not {text}"
        ) from None
    return number, count


def nb_processes() -> int:
    """Number of processes that train together, on all machines."""
    return task()[1]


def helps() -> bool:
    """Whether this process is a worker but not the chief."""
    return task()[0] > 0
