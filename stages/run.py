"""Run a function of this checkout as a stage: `python stages/run.py <module>.<function> <paths>`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage

if __name__ == "__main__":
    stage.run()
