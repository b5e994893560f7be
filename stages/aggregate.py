"""Aggregate the scores into tables and metrics."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.tables import sheets
from rnnsep.tables.outputs import TablesParams, aggregate


@dataclass(frozen=True)
class Parameters:
    tables: TablesParams


def main(parameters: Parameters, network: Path, mix: Path, irm1: Path, tables: Path, metrics: Path) -> None:
    print(sheets.markdown(aggregate([network, mix, irm1], tables, metrics, parameters.tables)), end="")


if __name__ == "__main__":
    stage.run(Parameters, main)
