"""The recipe of a training: all its settings as one object."""

from dataclasses import dataclass
from typing import Annotated, Literal

from rnnsep.learning.losses import LossParams
from rnnsep.learning.sampling import SamplingParams
from rnnsep.network.input import InputParams
from rnnsep.network.mask import MaskParams
from rnnsep.network.network import DefectParams, NetworkParams
from rnnsep.network.trunk import RnnParams
from rnnsep.params import ParamError, Range, changed


@dataclass(frozen=True, kw_only=True)
class OptimizerParams:
    """Section `optimizer` of params.yaml."""

    name: Literal["adam", "lbfgs"]
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


@dataclass(frozen=True, kw_only=True)
class EnhancementParams:
    """Section `enhancement` of params.yaml: a second network with ratio masks, otherwise like the first."""

    layers: Annotated[int, Range(0)]  # 0: off
    discrimination: Annotated[float, Range(0, 0.99)]


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
        return NetworkParams(input=self.input, rnn=self.rnn, mask=self.mask, defects=self.defects)

    @property
    def first_epochs(self) -> "Recipe":
        return changed(self, {"loss.name": "mask"})

    def member(self, number: int) -> "Recipe":
        """The recipe of network `number` of the ensemble, counted from 1, alone."""
        return changed(self, {"training.seed": self.training.seed + number - 1, "training.networks": 1})

    @property
    def enhancing(self) -> "Recipe":
        own = self.enhancement
        changes = {"rnn.layers": own.layers, "mask.activation": "relu", "loss.name": "magnitude",
                   "loss.discrimination": own.discrimination, "loss.pretraining_epochs": 0}  # fmt: skip
        return changed(self, changes)

    @property
    def continued(self) -> tuple[str, ...]:
        """The parameter whose change continues a finished training: the number of epochs.

        More epochs cannot continue it with a cosine schedule, which depends on their number; with an enhancement
        network, which needs the finished first network; or with `training.start`, whose folder may change.
        """
        fixed = self.training.schedule == "cosine" or self.enhancement.layers or self.training.start
        return () if fixed else ("training.epochs",)

    @property
    def kept(self) -> tuple[str, ...]:
        """What is kept of a finished training: its curves, and its checkpoint where more epochs continue it."""
        return ("train*", "valid*", *["checkpoint*.npz"] * len(self.continued))

    def check(self) -> None:
        self.network.check()
        if self.loss.segment and self.sampling.frames % self.loss.segment:
            raise ParamError("loss.segment", f"must divide sampling.frames ({self.sampling.frames})")
        options = {
            "training.averaging": self.training.averaging,
            "optimizer.weight_decay": self.optimizer.weight_decay,
            "rnn.dropout": self.rnn.dropout,
            "input.noise": self.input.noise,
        }
        on = [key for key, value in options.items() if value]
        if on and self.optimizer.name == "lbfgs":
            message = "must be 0; L-BFGS (optimizer.name) needs a deterministic loss and plain weights"
            raise ParamError(on[0], message)
        if self.enhancement.layers and self.training.networks > 1:
            raise ParamError("training.networks", "must be 1 with an enhancement network (enhancement.layers)")
