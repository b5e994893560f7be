"""A worker that trains a tiny network: python -m tests.learning.worker FEATURES FOLDER [STEP]

Before step STEP the worker kills itself.
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path

from rnnsep.learning.trainer import Trainer
from rnnsep.running.errors import UserError
from tests.learning.small import run

steps, step = count(1), Trainer.step


def killed(*arguments):
    if next(steps) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments)


def main():
    if len(sys.argv) > 3:
        Trainer.step = killed
    try:
        run(Path(sys.argv[1]), Path(sys.argv[2]), {"rnn.dropout": 0.0})
    except UserError as error:
        sys.exit(f"train: {error}")


if __name__ == "__main__":
    main()
