"""Separate the test songs."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.params import part
from rnnsep.separation.blocks import SeparationParams
from rnnsep.separation.estimates import separate_corpus
from rnnsep.signal.corpus import EvaluationParams


@dataclass(frozen=True)
class Parameters:
    separation: SeparationParams
    evaluation: part(EvaluationParams, "split")  # type: ignore[valid-type]


def main(parameters: Parameters, corpus: Path, models: Path, estimates: Path) -> None:
    separate_corpus(corpus, models, estimates, parameters.separation, parameters.evaluation.split)


if __name__ == "__main__":
    stage.run(Parameters, main)
