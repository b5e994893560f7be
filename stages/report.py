"""Write the page of the run with figures and sound."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.params import part
from rnnsep.report.page import write_page
from rnnsep.report.wording import SeparationShown
from rnnsep.signal.corpus import EvaluationParams


@dataclass(frozen=True)
class Parameters:
    separation: SeparationShown
    evaluation: part(EvaluationParams, "window", "hop", "version", "split")  # type: ignore[valid-type]


def main(parameters: Parameters, corpus: Path, estimates: Path, tables: Path, models: Path, page: Path) -> None:
    write_page(page, corpus, estimates, tables, models, parameters.separation, parameters.evaluation)
    print(f"page: reports/{page.name}")


if __name__ == "__main__":
    stage.run(Parameters, main)
