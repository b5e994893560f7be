"""Scores to tables and metrics."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from rnnsep.running import stage
from rnnsep.tables import overall
from rnnsep.tables import tables as scoring


@dataclass(frozen=True)
class Parameters:
    """The section of params.yaml of which this stage reads a part."""

    evaluation: overall.OverallParams


def main(parameters: Parameters, network: Path, mix: Path, irm1: Path, tables: Path, metrics: Path) -> None:
    summary = scoring.aggregate([network, mix, irm1], tables, metrics)
    table = overall.write_overall([network, mix, irm1], tables, metrics, parameters.evaluation)
    sheets = scoring.summary_sheets(summary) if table.empty else [overall.sheet(table)]
    print(scoring.markdown(sheets), end="")


if __name__ == "__main__":
    stage.run(Parameters, main)
