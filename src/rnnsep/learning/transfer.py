"""Transfer learning: a training that starts from the weights of a trained model (`training.start`)."""

from dataclasses import dataclass
from pathlib import Path

from rnnsep.features.storage import Features
from rnnsep.layers.network import MaskNetwork
from rnnsep.network.model import load_model, model_digest
from rnnsep.network.packaged import start_folder
from rnnsep.params import ParamError


@dataclass(frozen=True)
class Start:
    """The model that a training starts from."""

    folder: Path

    @classmethod
    def find(cls, name: str) -> "Start":
        """The packaged model `name`, or the model in a folder. A relative path begins at the repository.

        Raises `UserError` if there is no model.
        """
        return cls(start_folder(name))

    @property
    def key(self) -> str:
        """SHA-256 of the model's files, shortened."""
        return model_digest(self.folder)[:12]

    def into(self, network: MaskNetwork, number: int, features: Features) -> str:
        """Copy weights of equal path and shape to `network`, to be trained on `features`, and return what was done.

        Network `number` of an ensemble, counted from 1, begins with that of the same number, or else the last one.
        Weights that belong to sources are copied only between models of the same sources in the same order. Raises
        `UserError` for a damaged model and if nothing fits.
        """
        model = load_model(self.folder)
        given = model.networks[min(number, len(model.networks)) - 1]
        own = set() if features.sources == model.sources else given.architecture.of_sources
        left, taken = [], 0
        for path, weight in network.named_weights().items():
            source = given.weights.get(path)
            if source is not None and source.shape == weight.shape and path not in own:
                weight.assign(source)
                taken += 1
            else:
                left.append(path)
        if not taken:
            raise ParamError("training.start", f"no weights of {self.folder} fit this network; see model.json there")
        layers = ", ".join(dict.fromkeys(path.rpartition("/")[0] for path in left))
        return (
            f"starting from {taken} of {taken + len(left)} arrays of weights of {self.folder}"
            + (f"; not from {layers}" if left else "")
            + ("" if features.stft == model.stft else f"; warning: it was trained on {model.stft}")
        )
