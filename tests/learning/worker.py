"""A worker that trains a tiny network: python -m tests.learning.worker FEATURES FOLDER CHANGES [STEP]

CHANGES is JSON of changes to the recipe; before step STEP the worker kills itself.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from rnnsep.learning.trainer import Trainer
from rnnsep.running.errors import UserError
from tests.learning.small import run

steps = 0
step = Trainer.step


def killed(*arguments: Any) -> float:
    global steps
    steps += 1
    if steps == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments)


def main() -> None:
    features, folder, changes = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    if len(sys.argv) > 4:
        Trainer.step = killed  # type: ignore[method-assign]
    try:
        run(features, folder, {"rnn.dropout": 0.0} | changes)
    except UserError as error:
        sys.exit(f"train: {error}")


if __name__ == "__main__":
    main()
