"""Separate the test songs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.params import part
from rnnsep.separation.blocks import SeparationParams
from rnnsep.separation.estimates import separate_corpus
from rnnsep.signal.corpus import EvaluationParams

SplitParams = part(EvaluationParams, "split")


def main(separation: SeparationParams, evaluation: SplitParams, *paths: Path) -> None:  # type: ignore[valid-type]
    corpus, models, estimates = paths
    separate_corpus(corpus, models, estimates, separation, evaluation.split)


if __name__ == "__main__":
    stage.run(main)
