"""Score the estimates against the references."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.scoring.evaluation import score_estimates
from rnnsep.signal.corpus import EvaluationParams


@dataclass(frozen=True)
class Parameters:
    evaluation: EvaluationParams


def main(parameters: Parameters, corpus: Path, estimates: Path, scores: Path) -> None:
    score_estimates(corpus, estimates, scores, parameters.evaluation)


if __name__ == "__main__":
    stage.run(Parameters, main)
