"""Aggregate the scores into tables and metrics."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.tables import sheets
from rnnsep.tables.outputs import aggregate


def main(network: Path, mix: Path, irm1: Path, target: Path, metrics: Path) -> None:
    print(sheets.markdown(aggregate([network, mix, irm1], target, metrics)), end="")


if __name__ == "__main__":
    stage.run(main)
