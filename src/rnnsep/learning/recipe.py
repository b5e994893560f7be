"""The recipe of a training: all its settings as one object."""

from dataclasses import dataclass
from typing import Annotated, Literal

from rnnsep.learning.losses import LossName, LossParams
from rnnsep.learning.sampling import SamplingParams
from rnnsep.network.input import InputParams
from rnnsep.network.mask import Activation, MaskParams
from rnnsep.network.network import DefectParams, NetworkParams
from rnnsep.network.trunk import RnnParams
from rnnsep.params import ParamError, Range, changed
from rnnsep.running.stage import Reuse


@dataclass(frozen=True, kw_only=True)
class OptimizerParams:
    """Section `optimizer` of params.yaml."""

    name: Literal["adam", "sgd", "lbfgs"]
    momentum: Annotated[float, Range(0, 0.9999)]
    weight_decay: Annotated[float, Range(0)]
    clip: Annotated[float, Range(1e-9)]


@dataclass(frozen=True, kw_only=True)
class TrainingParams:
    """Section `training` of params.yaml."""

    start: str | None
    seed: Annotated[int, Range(0, 2**32 - 1)]
    epochs: Annotated[int, Range(1)]
    patience: Annotated[int, Range(1)]
    learning_rate: Annotated[float, Range(0)]
    warmup: Annotated[int, Range(0)]
    schedule: Literal["cosine", "plateau", "constant"]
    select: Literal["loss", "sdr"]
    averaging: Annotated[float, Range(0, 0.99999)]
    networks: Annotated[int, Range(1, 16)]
    threads: Annotated[int, Range(1, 1024)]
    precision: Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class EnhancementParams:
    """Section `enhancement` of params.yaml: a second network, otherwise like the first."""

    layers: Annotated[int, Range(0)]  # 0: off
    mask: Activation
    loss: LossName
    discrimination: Annotated[float, Range(0, 0.99)]
    share: Annotated[float, Range(0, 0.9)]  # fraction of training songs reserved for it; 0: both train on all


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The sections of params.yaml that the stage train reads."""

    input: InputParams
    rnn: RnnParams
    mask: MaskParams
    defects: DefectParams
    loss: LossParams
    sampling: SamplingParams
    optimizer: OptimizerParams
    training: TrainingParams
    enhancement: EnhancementParams

    @property
    def network(self) -> NetworkParams:
        """The settings of the network."""
        return NetworkParams(input=self.input, rnn=self.rnn, mask=self.mask, defects=self.defects)

    @property
    def first_epochs(self) -> "Recipe":
        """The recipe of the pre-training epochs."""
        return changed(self, {"loss.name": self.loss.pretraining})

    def member(self, number: int) -> "Recipe":
        """The recipe of network `number` of the ensemble, counted from 1, alone."""
        return changed(self, {"training.seed": self.training.seed + number - 1, "training.networks": 1})

    @property
    def enhancing(self) -> "Recipe":
        """The recipe of the enhancement network."""
        own = self.enhancement
        changes = {"rnn.layers": own.layers, "mask.activation": own.mask, "loss.name": own.loss,
                   "loss.discrimination": own.discrimination, "loss.pretraining_epochs": 0}  # fmt: skip
        return changed(self, changes)

    def check(self) -> None:
        self.network.check()
        if self.loss.segment and self.sampling.frames % self.loss.segment:
            raise ParamError("loss.segment", f"must divide sampling.frames ({self.sampling.frames})")
        if self.optimizer.name == "lbfgs":
            self._check_deterministic()
        if self.enhancement.layers and self.training.networks > 1:
            raise ParamError("training.networks", "must be 1 with an enhancement network (enhancement.layers)")

    def _check_deterministic(self) -> None:
        """Raise `ParamError` for options that L-BFGS does not have."""
        options = {
            "training.averaging": self.training.averaging,
            "optimizer.weight_decay": self.optimizer.weight_decay,
            "rnn.dropout": self.rnn.dropout,
            "input.noise": self.input.noise,
        }
        for key, value in options.items():
            if value:
                raise ParamError(key, "must be 0; L-BFGS (optimizer.name) needs a deterministic loss and plain weights")


def reuse(recipe: Recipe) -> Reuse:
    """
    What later trainings reuse of a finished one: its curves, and its checkpoint where more epochs continue it.

    More epochs cannot continue it with a cosine schedule, which depends on the number of epochs; with an enhancement
    network, which needs the finished first network; or with `training.start`, whose folder may change.
    """
    keeps = {"train*": 10, "valid*": 10}
    if recipe.training.schedule == "cosine" or recipe.enhancement.layers or recipe.training.start:
        return Reuse(keeps=keeps)
    return Reuse(growing=("training.epochs",), keeps=keeps | {"checkpoint*.npz": 1})
