"""A trained network as files: `model.json` (architecture, sources, STFT, provenance) and `model.weights.h5`.

With a second network, which enhances all sources together, there is `enhancer.weights.h5` too; further networks, whose
masks are averaged with those of the first, are `model-2.weights.h5` and so on.
"""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnsep.network.network import MaskNetwork, NetworkParams, make_enhancer, make_network, masked_channels, seen
from rnnsep.params import parse
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams

ARCHITECTURE, WEIGHTS, ENHANCER = "model.json", "model.weights.h5", "enhancer.weights.h5"
OTHER = "model-{}.weights.h5"


@dataclass(frozen=True)
class Model:
    """A network that knows which sources it separates and which STFT it was trained on."""

    sources: tuple[str, ...]
    stft: StftParams
    network: MaskNetwork
    enhancer: MaskNetwork | None = None  # sees the sources that the network's masks give (Grais et al., 2017)
    # from other seeds, the last one may be of another kind; all masks are averaged
    others: tuple[MaskNetwork, ...] = ()

    @property
    def is_blended(self) -> bool:
        """Whether the last network is of another kind."""
        return bool(self.others) and self.others[-1].params != self.network.params

    def masks(self, mixture: np.ndarray) -> np.ndarray:
        """Soft masks for the STFT of a mixture.

        `mixture` is complex, (nb_frames, nb_bins, nb_channels). The masks are float32, (nb_sources, nb_frames,
        nb_bins, nb_channels), not negative, and sum to one over the sources, but for those of kind `sigmoid` (see
        `soft_mask`). A mono model sees the channels' mean and returns one channel to broadcast. Bins above the
        network's bandwidth get the masks of the highest bin that it sees.
        """
        if self.stft.channels == "mono":
            mixture = mixture.mean(axis=-1, keepdims=True)
        pooling = self.network.pooling
        masks = pooling.spread(self._apply(tf.constant(seen(mixture[None], self.network))).numpy()[:, 0])
        above = self.stft.nb_bins - pooling.nb_bins
        return np.pad(masks, ((0, 0), (0, 0), (0, above), (0, 0)), mode="edge")

    # one trace for all lengths: with one for each, rounding would depend on the songs before
    @tf.function(input_signature=[tf.TensorSpec((1, None, None, None), tf.float32)])
    def _apply(self, magnitude: tf.Tensor) -> tf.Tensor:
        masks = self.network(magnitude)
        for other in self.others:
            masks += other(magnitude)
        if self.others:
            masks /= 1 + len(self.others)
        if self.enhancer is None:
            return masks
        return self.enhancer(masked_channels(masks, magnitude[..., : self.stft.nb_channels]))


def save_model(folder: Path, model: Model, provenance: dict[str, Any]) -> None:
    """Write `model` to `folder`. The same weights give the same bytes."""
    networks = {WEIGHTS: model.network} | {OTHER.format(i): other for i, other in enumerate(model.others, start=2)}
    if model.enhancer is not None:
        networks[ENHANCER] = model.enhancer
    files.write_json(
        folder / ARCHITECTURE,
        {
            "sources": list(model.sources),
            "stft": asdict(model.stft),
            "rnn": asdict(model.network.params),
            "networks": 1 + len(model.others),
            **({"blended": asdict(model.others[-1].params)} if model.is_blended else {}),
            **({} if model.enhancer is None else {"enhancer": asdict(model.enhancer.params)}),
            "provenance": provenance | {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        },
    )
    for name, network in networks.items():
        with files.whole(folder / name) as temporary:
            network.save_weights(temporary)


def load_model(folder: Path) -> Model:
    """The model that `save_model` wrote. Raises `UserError` where a file is missing, broken or of another network."""
    try:
        description = json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8"))
        sources = tuple(str(source) for source in description["sources"])
        stft = parse(StftParams, description["stft"], "stft")
        params = parse(NetworkParams, description["rnn"], "rnn")
        nb_networks = int(description["networks"])
        second = parse(NetworkParams, description["enhancer"], "enhancer") if "enhancer" in description else None
        kinds = [params] * max(1, nb_networks)
        if "blended" in description:
            kinds[-1] = parse(NetworkParams, description["blended"], "blended")
    except FileNotFoundError:
        raise UserError(f"{folder / ARCHITECTURE}: no such file; train a model first (dvc repro train)") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{folder / ARCHITECTURE}: not the description of a model: {error}") from None
    paths = [folder / WEIGHTS, *(folder / OTHER.format(i) for i in range(2, len(kinds) + 1))]
    networks = (make_network(kind, len(sources), stft) for kind in kinds)
    network, *others = (_loaded(path, one) for path, one in zip(paths, networks, strict=True))
    enhancer = None
    if second is not None:
        enhancer = _loaded(folder / ENHANCER, make_enhancer(second, len(sources), stft))
    return Model(sources, stft, network, enhancer, tuple(others))


def _loaded(path: Path, network: MaskNetwork) -> MaskNetwork:
    try:
        network.load_weights(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; train a model first (dvc repro train)") from None
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{path}: not the weights of this network: {str(error).splitlines()[0]}") from None
    return network
