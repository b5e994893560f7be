"""Write the STFTs of the training songs' sources."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.features.extraction import FeatureParams, write_features
from rnnsep.signal.stft import StftParams


def main(stft: StftParams, features: FeatureParams, corpus: Path, target: Path) -> None:
    write_features(corpus, target, stft, features.speeds or ())


if __name__ == "__main__":
    stage.run(main)
