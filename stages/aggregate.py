"""Scores to tables and metrics."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from rnnsep.running import stage
from rnnsep.scoring import tables as scoring


@dataclass(frozen=True)
class Parameters:
    """This stage reads no parameter."""


def main(_: Parameters, network: Path, mix: Path, irm1: Path, tables: Path, metrics: Path) -> None:
    summary = scoring.aggregate([network, mix, irm1], tables, metrics)
    print(scoring.markdown(scoring.summary_sheets(summary)), end="")


if __name__ == "__main__":
    stage.run(Parameters, main)
