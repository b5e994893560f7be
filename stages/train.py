"""Train the network on the features of the training songs."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from rnnsep.network.backend import import_tensorflow

import_tensorflow()

from rnnsep.learning import distribution
from rnnsep.learning.losses import LossParams
from rnnsep.learning.sampling import SamplingParams
from rnnsep.learning.trainer import TrainingParams
from rnnsep.learning.training import BlendingParams, EnhancementParams, train
from rnnsep.network.network import NetworkParams
from rnnsep.running import stage


@dataclass(frozen=True)
class Parameters:
    rnn: NetworkParams
    loss: LossParams
    sampling: SamplingParams
    training: TrainingParams
    blending: BlendingParams
    enhancement: EnhancementParams


def main(p: Parameters, features: Path, models: Path) -> None:
    train(features, models, p.rnn, p.loss, p.sampling, p.training, p.blending, p.enhancement)


if __name__ == "__main__":
    stage.run(Parameters, main, distribution.helps)
