"""Collect the corpus into one tree of WAV files."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.corpora.collect import CorpusParams, make_corpus


@dataclass(frozen=True)
class Parameters:
    corpus: CorpusParams


def main(parameters: Parameters, corpus: Path) -> None:
    make_corpus(parameters.corpus, corpus)


if __name__ == "__main__":
    stage.run(Parameters, main)
