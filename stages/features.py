"""Write the STFTs of the training songs' sources."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.features.extraction import FeatureParams, write_features
from rnnsep.signal.stft import StftParams


@dataclass(frozen=True)
class Parameters:
    stft: StftParams
    features: FeatureParams


def main(parameters: Parameters, corpus: Path, features: Path) -> None:
    write_features(corpus, features, parameters.stft, parameters.features.speeds or ())


if __name__ == "__main__":
    stage.run(Parameters, main)
