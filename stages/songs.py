"""Link the user's songs or sounds so that DVC tracks them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.corpora.location import LocationParams, link_songs


def main(corpus: LocationParams, link: Path, record: Path) -> None:
    link_songs(corpus, link, record)


if __name__ == "__main__":
    stage.run(main)
