"""A small training, from whose parameters tests take what they need by `dataclasses.replace`."""

from dataclasses import replace
from pathlib import Path

from rnnsep.learning.losses import LossParams
from rnnsep.learning.sampling import SamplingParams
from rnnsep.learning.trainer import TrainingParams
from rnnsep.learning.training import BlendingParams, EnhancementParams, train
from rnnsep.network.network import NetworkParams
from tests.networks import SMALL

NETWORK = replace(SMALL, units=16, dropout=0.2)
LOSS = LossParams("sdr", 0.0, "mask", 1.0, 0, 1.0)
SAMPLING = SamplingParams(frames=32, batch=4, steps=6, remix=0.5, gain=3.0, equaliser=0.0, swap=0.5, shift=0.0)
SHORT = replace(SAMPLING, frames=8, steps=2)
TRAINING = TrainingParams(
    seed=1,
    epochs=3,
    pretraining=0,
    patience=3,
    optimizer="adam",
    momentum=0.9,
    learning_rate=0.01,
    warmup=3,
    schedule="cosine",
    weight_decay=0.0,
    clip=1.0,
    averaging=0.9,
    networks=1,
    threads=2,
    precision="float32",
)
UNBLENDED = BlendingParams(bands=0, units=4, dropout=0.0)
ALONE = EnhancementParams(layers=0, mask="relu", loss="magnitude", discrimination=0.0, share=0.0)


def run(
    features: Path,
    folder: Path,
    network: NetworkParams = NETWORK,
    loss: LossParams = LOSS,
    sampling: SamplingParams = SAMPLING,
    blending: BlendingParams = UNBLENDED,
    enhancement: EnhancementParams = ALONE,
    **changes: object,
) -> Path:
    """A small training; the folder of the model."""
    models = folder / "models"
    models.parent.mkdir(parents=True, exist_ok=True)
    train(features, models, network, loss, sampling, replace(TRAINING, **changes), blending, enhancement)  # type: ignore[arg-type]
    return models
