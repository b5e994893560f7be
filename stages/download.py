"""Collect the corpus into one tree of WAV files."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.corpora.collect import CorpusParams, make_corpus


def main(corpus: CorpusParams, target: Path) -> None:
    make_corpus(corpus, target)


if __name__ == "__main__":
    stage.run(main)
