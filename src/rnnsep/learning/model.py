"""A trained network as files: `model.json` (architecture, sources, STFT, provenance) and `model.weights.h5`."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnsep.learning.network import MaskNetwork, NetworkParams
from rnnsep.params import parse
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams

ARCHITECTURE, WEIGHTS = "model.json", "model.weights.h5"


@dataclass(frozen=True)
class Model:
    """A network that knows which sources it separates and which STFT it was trained on."""

    sources: tuple[str, ...]
    stft: StftParams
    network: MaskNetwork

    def masks(self, mixture: np.ndarray) -> np.ndarray:
        """Soft masks for the STFT of a mixture.

        `mixture` is complex, (nb_frames, nb_bins, nb_channels). The masks are float32, (nb_sources, nb_frames,
        nb_bins, nb_channels), not negative, and sum to one over the sources. A mono model sees the channels' mean
        and returns one channel to broadcast. Bins above the network's bandwidth get the masks of the highest bin
        that it sees.
        """
        if self.stft.channels == "mono":
            mixture = mixture.mean(axis=-1, keepdims=True)
        seen = np.abs(mixture[None, :, : self.network.nb_bins]).astype(np.float32)
        masks = self._apply(tf.constant(seen)).numpy()[:, 0]
        above = self.stft.nb_bins - self.network.nb_bins
        return np.pad(masks, ((0, 0), (0, 0), (0, above), (0, 0)), mode="edge")

    # one trace for all lengths: with one for each, rounding would depend on the songs before
    @tf.function(input_signature=[tf.TensorSpec((1, None, None, None), tf.float32)])
    def _apply(self, magnitude: tf.Tensor) -> tf.Tensor:
        return self.network(magnitude)


def save_model(folder: Path, model: Model, provenance: dict[str, Any]) -> None:
    """Write `model` to `folder`. The same weights give the same bytes."""
    files.write_json(
        folder / ARCHITECTURE,
        {
            "sources": list(model.sources),
            "stft": asdict(model.stft),
            "rnn": asdict(model.network.params),
            "provenance": provenance | {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        },
    )
    with files.whole(folder / WEIGHTS) as temporary:
        model.network.save_weights(temporary)


def load_model(folder: Path) -> Model:
    """The model that `save_model` wrote. Raises `UserError` where a file is missing, broken or of another network."""
    try:
        description = json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8"))
        sources = tuple(str(source) for source in description["sources"])
        stft = parse(StftParams, description["stft"], "stft")
        params = parse(NetworkParams, description["rnn"], "rnn")
    except FileNotFoundError:
        raise UserError(f"{folder / ARCHITECTURE}: no such file; train a model first (dvc repro train)") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / ARCHITECTURE}: not the description of a model: {error}") from None
    nb_bins = params.nb_bins(stft.sample_rate, stft.window)
    network = MaskNetwork(params, len(sources), nb_bins, 1 if stft.channels == "mono" else 2)
    try:
        network.load_weights(folder / WEIGHTS)
    except FileNotFoundError:
        raise UserError(f"{folder / WEIGHTS}: no such file; train a model first (dvc repro train)") from None
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{folder / WEIGHTS}: not the weights of this network: {str(error).splitlines()[0]}") from None
    return Model(sources, stft, network)
