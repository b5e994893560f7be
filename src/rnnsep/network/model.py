"""
Model files: a folder with `model.json` (architecture, sources, STFT, provenance) and `model.weights.h5`.

The further networks of an ensemble are `model-2.weights.h5`, …; an enhancement network is `enhancer.weights.h5`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnsep.network.masks import masked_channels
from rnnsep.network.network import MaskNetwork, NetworkParams, make_enhancer, make_network
from rnnsep.network.settings import standard_settings
from rnnsep.params import leaf_keys, parse, value_at, with_defaults
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams

ARCHITECTURE, WEIGHTS, ENHANCER = "model.json", "model.weights.h5", "enhancer.weights.h5"
MEMBER = "model-{}.weights.h5"

# keys of version 0.1 and their names today
RENAMED = {
    "rnn.noise": "input.noise",
    "rnn.context": "input.context",
    "rnn.side": "input.side",
    "rnn.bandwidth": "input.bandwidth",
    "rnn.pooling": "input.pooling",
    "rnn.mel": "input.mel",
    "rnn.scale": "input.scale",
    "rnn.input": "input.compression",
    "rnn.level": "input.level",
    "rnn.standardise": "input.standardise",
    "rnn.mel_mask": "mask.mel",
    "rnn.mask": "mask.activation",
    "rnn.local": "mask.local",
    "rnn.defects.half_mixture": "defects.half_mixture",
    "rnn.defects.reset": "defects.reset",
    "training.pretraining": "loss.pretraining_epochs",
    "training.optimizer": "optimizer.name",
    "training.momentum": "optimizer.momentum",
    "training.weight_decay": "optimizer.weight_decay",
    "training.clip": "optimizer.clip",
    "evaluation.shared_array": "tables.shared_array",
}

# The settings of a network in model.json: one flat section with the key names of version 0.1, in this order. A later
# setting has a default, that of models saved before it existed, and its dotted key where it differs from the default.
FLAT = (
    "cell", "layers", "recurrent", "units", "bidirectional", "residual", "bottleneck", "bands", "shared", "dropout",
    "noise", "context", "side", "bandwidth", "pooling", "mel", "mel_mask", "scale", "input", "level", "standardise",
    "mask", "local", "defects.half_mixture", "defects.reset",
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """
    Trained networks with the sources that they separate and the STFT that they were trained on.

    networks: an ensemble; its masks are averaged. The last one may be of another kind.
    enhancer: enhances the ensemble's estimates of all sources (Grais et al., 2017).
    """

    sources: tuple[str, ...]
    stft: StftParams
    networks: tuple[MaskNetwork, ...]
    enhancer: MaskNetwork | None = None

    def masks(self, mixture: np.ndarray, repeated: bool = False) -> np.ndarray:
        """Soft masks, float32 (nb_sources, nb_frames, nb_bins, nb_channels), for the STFT of a mixture.

        `mixture` is complex, (nb_frames, nb_bins, nb_channels). The masks are non-negative and sum to one over the
        sources, except for sigmoid masks. A mono model takes the mean of the channels and returns one channel. Bins
        above the network's bandwidth take the mask of the highest bin below it. `repeated` says that more mixtures of
        this length will follow, so that compiling for it pays.
        """
        if self.stft.channels == "mono":
            mixture = mixture.mean(axis=-1, keepdims=True)
        first = self.networks[0]
        pooling = first.pooling
        mixture = mixture[None, :, : pooling.nb_bins]
        magnitude = tf.constant(first.see(mixture.real, mixture.imag))
        masks = pooling.spread((self._compiled if repeated else self._apply)(magnitude).numpy()[:, 0])
        above = self.stft.nb_bins - pooling.nb_bins
        return np.pad(masks, ((0, 0), (0, 0), (0, above), (0, 0)), mode="edge")

    # one trace for all lengths, each of which would take a second to compile
    @tf.function(input_signature=[tf.TensorSpec((1, None, None, None), tf.float32)], autograph=False)
    def _apply(self, magnitude: tf.Tensor) -> tf.Tensor:
        return self._networks(magnitude)

    @tf.function(jit_compile=True, autograph=False)
    def _compiled(self, magnitude: tf.Tensor) -> tf.Tensor:
        return self._networks(magnitude)

    def _networks(self, magnitude: tf.Tensor) -> tf.Tensor:
        masks = self.networks[0](magnitude)
        for network in self.networks[1:]:
            masks += network(magnitude)
        if len(self.networks) > 1:
            masks /= len(self.networks)
        if self.enhancer is None:
            return masks
        return self.enhancer(masked_channels(masks, magnitude[..., : self.stft.nb_channels]))


def save_model(folder: Path, model: Model, provenance: dict[str, Any]) -> None:
    """Write `model` to `folder`. Equal weights give equal bytes."""
    first, *further = model.networks
    networks = {WEIGHTS: first} | {MEMBER.format(i): network for i, network in enumerate(further, start=2)}
    if model.enhancer is not None:
        networks[ENHANCER] = model.enhancer
    is_blended = model.networks[-1].params != first.params
    content: dict[str, Any] = {"sources": list(model.sources), "stft": asdict(model.stft)}
    content |= {"rnn": flat(first.params), "networks": len(model.networks)}
    if is_blended:
        content["blended"] = flat(model.networks[-1].params)
    if model.enhancer is not None:
        content["enhancer"] = flat(model.enhancer.params)
    content["provenance"] = provenance | {name: version(name) for name in ("tensorflow", "keras", "numpy")}
    files.write_json(folder / ARCHITECTURE, content)
    for name, network in networks.items():
        with files.whole(folder / name) as temporary:
            network.save_weights(temporary)


@standard_settings()
def load_model(folder: Path) -> Model:
    """The model that `save_model` wrote. Raises `UserError` for a missing, damaged or unsuitable file."""
    try:
        description = json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8"))
        sources = tuple(str(source) for source in description["sources"])
        stft = parse(StftParams, description["stft"], "stft")
        kinds = [unflat(description["rnn"])] * max(1, int(description["networks"]))
        if "blended" in description:
            kinds[-1] = unflat(description["blended"])
        second = unflat(description["enhancer"]) if "enhancer" in description else None
    except FileNotFoundError:
        raise UserError(f"{folder / ARCHITECTURE}: no such file; train a model first (dvc repro train)") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError) as error:
        raise UserError(f"{folder / ARCHITECTURE}: not the description of a model: {error}") from None
    paths = [folder / WEIGHTS, *(folder / MEMBER.format(i) for i in range(2, len(kinds) + 1))]
    networks = (make_network(kind, len(sources), stft) for kind in kinds)
    ensemble = tuple(_loaded(path, network) for path, network in zip(paths, networks, strict=True))
    enhancer = None
    if second is not None:
        enhancer = _loaded(folder / ENHANCER, make_enhancer(second, len(sources), stft))
    return Model(sources, stft, ensemble, enhancer)


def flat(params: NetworkParams) -> dict[str, Any]:
    """The settings of a network as model.json has them (see `FLAT`)."""
    keys = {name: RENAMED.get(f"rnn.{name}", f"rnn.{name}") for name in FLAT}
    old = _nested({name: value_at(params, key) for name, key in keys.items()})
    plain = unflat(old)
    newer = [key for key in leaf_keys(NetworkParams) if value_at(params, key) != value_at(plain, key)]
    # newer keys stay whole: nested, input.x would take the place of the old setting named input
    return old | {key: value_at(params, key) for key in newer}


def unflat(content: Mapping[str, Any]) -> NetworkParams:
    """The settings from a section of model.json. Raises `ParamError` for a missing, unknown or impossible value."""
    names = {name: RENAMED.get(f"rnn.{name}", f"rnn.{name}") for name in FLAT}
    values = dict(_leaves(content))
    document = _nested({names.get(name, name): value for name, value in values.items()})
    return parse(NetworkParams, with_defaults(NetworkParams, document))


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        section = document
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return document


def _leaves(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in content.items():
        key = prefix + name
        found += _leaves(value, f"{key}.") if isinstance(value, dict) else [(key, value)]
    return found


def _loaded(path: Path, network: MaskNetwork) -> MaskNetwork:
    try:
        network.load_weights(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; train a model first (dvc repro train)") from None
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{path}: not the weights of this network: {str(error).splitlines()[0]}") from None
    return network
