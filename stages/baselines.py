"""Score the mixture (MIX) and the ideal ratio mask (IRM1)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.scoring.baselines import score_baselines
from rnnsep.signal.corpus import EvaluationParams


def main(evaluation: EvaluationParams, corpus: Path, mix: Path, irm1: Path) -> None:
    score_baselines(corpus, mix, irm1, evaluation)


if __name__ == "__main__":
    stage.run(main)
