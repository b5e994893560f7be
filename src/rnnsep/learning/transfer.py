"""Transfer learning: a training that starts from the weights of a trained model (`training.start`)."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnsep.features.storage import Features
from rnnsep.network.model import load_model
from rnnsep.network.network import MaskNetwork
from rnnsep.network.packaged import start_folder
from rnnsep.params import ParamError

OUTPUTS = re.compile(r"/(heads|local|head_\d+)/")  # weights whose rows belong to sources


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
        content = [path.read_bytes() for path in sorted(self.folder.glob("*.weights.h5"))]
        return hashlib.sha256(b"".join([(self.folder / "model.json").read_bytes(), *content])).hexdigest()[:12]

    def into(self, network: MaskNetwork, number: int, features: Features) -> str:
        """Copy weights of equal name and shape to `network`, to be trained on `features`, and return what was done.

        Network `number` of an ensemble, counted from 1, begins with that of the same number, or else the last one.
        The output layers are copied only between models of the same sources in the same order. Raises `UserError` for a
        damaged model and if nothing fits.
        """
        model = load_model(self.folder)
        given = dict(_named(model.networks[min(number, len(model.networks)) - 1]))
        same_sources = features.sources == model.sources
        taken, left = [], []
        for name, weight in _named(network):
            source = given.get(name)
            fits = source is not None and source.shape == weight.shape
            if fits and (same_sources or not OUTPUTS.search(name[0])):
                weight.assign(source)
                taken.append(name)
            else:
                left.append(name)
        if not taken:
            raise ParamError("training.start", f"no weights of {self.folder} fit this network; see model.json there")
        layers = ", ".join(dict.fromkeys(path.split("/", 1)[1].rsplit("/", 1)[0] for path, _ in left))
        return (
            f"starting from {len(taken)} of {len(taken) + len(left)} arrays of weights of {self.folder}"
            + (f"; not from {layers}" if left else "")
            + ("" if features.stft == model.stft else f"; warning: it was trained on {model.stft}")
        )


def _named(network: MaskNetwork) -> Iterator[tuple[tuple[str, int], Any]]:
    """The trainable weights of a network, each with its path and how often the path came before.

    Networks of single sources inside it have the same paths (`rnn.shared`).
    """
    seen: Counter[str] = Counter()
    for weight in network.trainable_variables:
        yield (weight.path, seen[weight.path]), weight
        seen[weight.path] += 1
