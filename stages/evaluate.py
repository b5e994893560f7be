"""Score the estimates against the references."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.scoring.evaluation import score_estimates
from rnnsep.signal.corpus import EvaluationParams


def main(evaluation: EvaluationParams, corpus: Path, estimates: Path, scores: Path) -> None:
    score_estimates(corpus, estimates, scores, evaluation)


if __name__ == "__main__":
    stage.run(main)
