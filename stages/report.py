"""Write the page of the run with figures and sound."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.report.page import write_page
from rnnsep.report.wording import SeparationShown
from rnnsep.signal.corpus import EvaluationParams


def main(separation: SeparationShown, evaluation: EvaluationParams, *paths: Path) -> None:
    corpus, estimates, tables, models, page = paths
    write_page(page, corpus, estimates, tables, models, separation, evaluation)
    print(f"page: reports/{page.name}")


if __name__ == "__main__":
    stage.run(main)
