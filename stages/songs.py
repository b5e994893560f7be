"""Link the user's songs or SoundFont so that DVC tracks them."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.corpora.location import LocationParams, link_songs


@dataclass(frozen=True)
class Parameters:
    corpus: LocationParams


def main(parameters: Parameters, link: Path, record: Path) -> None:
    link_songs(parameters.corpus, link, record)


if __name__ == "__main__":
    stage.run(Parameters, main)
