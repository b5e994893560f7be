"""Model files: a folder with `model.json` (architecture, sources, STFT, provenance) and `weights.npz`.

The arrays of the ensemble's first network are `1/…` in `weights.npz`, those of the second `2/…`, those of an
enhancement network `enhancer/…`.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnsep.network.drawing import drawn
from rnnsep.network.mask import masked_channels
from rnnsep.network.network import Architecture, Network, NetworkParams
from rnnsep.network.trunk import below
from rnnsep.params import parse, with_defaults
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams

DESCRIPTION, WEIGHTS, ENHANCER = "model.json", "weights.npz", "enhancer"
LIBRARIES = ("tensorflow", "keras", "numpy")


@dataclass(frozen=True)
class Model:
    """Trained networks with the sources that they separate and the STFT that they were trained on.

    networks: an ensemble; its masks are averaged. enhancer: enhances the ensemble's estimates of all sources (Grais et
    al., 2017).
    """

    sources: tuple[str, ...]
    stft: StftParams
    networks: tuple[Network, ...]
    enhancer: Network | None = None

    def masks(self, mixture: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Soft masks (nb_sources, nb_frames, nb_bands, nb_channels) for the STFT of a mixture; `spread` gives bins.

        `mixture` is (nb_frames, nb_bins, nb_channels). The masks are non-negative and sum to one over the sources,
        except for sigmoid masks. A mono model takes the mean of the channels and returns one channel.
        """
        if self.stft.channels == "mono":
            mixture = mixture.mean(axis=-1, keepdims=True)
        first = self.networks[0]
        magnitude = first.see(mixture)
        masks = first(magnitude)
        for network in self.networks[1:]:
            masks += network(magnitude)
        if len(self.networks) > 1:
            masks /= np.float32(len(self.networks))
        if self.enhancer is None:
            return masks
        return self.enhancer(masked_channels(masks, magnitude[..., : self.stft.nb_channels]))

    def spread(self, masks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Masks of the STFT's bins (…, nb_bins, nb_channels) from masks of bands (…, nb_bands, nb_channels).

        Bins above the network's bandwidth take the mask of the highest band.
        """
        return masks.take(self._bands, axis=-2)

    def for_song(self, name: str) -> "Model":
        """The model itself; with `defects.lost_checkpoint` one with random weights, which depend on the song's name."""
        if not self.networks[0].architecture.params.defects.lost_checkpoint:
            return self
        random = np.random.default_rng(zlib.crc32(name.encode()))
        shapes = (network.architecture for network in self.networks)
        return replace(self, networks=tuple(Network(shape, drawn(shape.shapes, random)) for shape in shapes))

    @cached_property
    def _bands(self) -> NDArray[np.intp]:
        """The band of each bin."""
        widths = self.networks[0].architecture.pooling.widths
        bands = np.repeat(np.arange(len(widths)), widths)
        return np.pad(bands, (0, self.stft.nb_bins - len(bands)), mode="edge")


def save_model(folder: Path, model: Model, provenance: Mapping[str, Any], compact: bool = False) -> None:
    """Write `model` to `folder`. Equal weights give equal bytes.

    With `compact`, weights are rounded to half precision and compressed, a sixth of the size.
    """
    named = {str(i): network for i, network in enumerate(model.networks, start=1)}
    if model.enhancer is not None:
        named[ENHANCER] = model.enhancer
    content: dict[str, Any] = {"sources": list(model.sources), "stft": asdict(model.stft)}
    content |= {"network": asdict(model.networks[0].architecture.params), "networks": len(model.networks)}
    if model.enhancer is not None:
        content["enhancer"] = asdict(model.enhancer.architecture.params)
    content["provenance"] = dict(provenance)
    files.write_json(folder / DESCRIPTION, content)
    arrays = {
        f"{name}/{path}": np.asarray(weight, np.float16 if compact else np.float32)
        for name, network in named.items()
        for path, weight in network.weights.items()
    }
    with files.whole(folder / WEIGHTS) as temporary:
        (np.savez_compressed if compact else np.savez)(temporary, **arrays)  # type: ignore[arg-type]  # allow_pickle


def load_model(folder: Path) -> Model:
    """The model that `save_model` wrote. Raises `UserError` for a missing, damaged or unsuitable file."""
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        sources = tuple(str(source) for source in description["sources"])
        stft = parse(StftParams, description["stft"], "stft")
        architecture = Architecture.of(_params(description["network"]), len(sources), stft)
        names = [str(i + 1) for i in range(max(1, int(description["networks"])))]
        enhancer = None
        if ENHANCER in description:
            enhancer = Architecture.of_enhancer(_params(description[ENHANCER]), len(sources), stft)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; train a model first (dvc repro train)") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError) as error:
        raise UserError(f"{path}: not the description of a model: {error}") from None
    arrays = _arrays(folder / WEIGHTS)

    def network(shape: Architecture, name: str) -> Network:
        weights = below(arrays, name)
        for key, size in shape.shapes.items():
            if key not in weights or weights[key].shape != size:
                found = weights[key].shape if key in weights else "missing"
                raise UserError(f"{folder / WEIGHTS}: not the weights of this network: {name}/{key} is {found}")
        return Network(shape, weights)

    second = None if enhancer is None else network(enhancer, ENHANCER)
    return Model(sources, stft, tuple(network(architecture, name) for name in names), second)


def words(network: Mapping[str, Any]) -> str:
    """The network that a section of model.json describes in words, for the page of a run."""
    return _params(network).words


def model_digest(folder: Path) -> str:
    """SHA-256 of a model's files. Raises `UserError` if one is missing."""
    try:
        content = b"".join((folder / name).read_bytes() for name in (DESCRIPTION, WEIGHTS))
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; train a model first (dvc repro train)") from None
    return hashlib.sha256(content).hexdigest()


def versions() -> dict[str, str]:
    """Versions of the libraries that a training depends on, for its provenance."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _params(content: Mapping[str, Any]) -> NetworkParams:
    return parse(NetworkParams, with_defaults(NetworkParams, content), "network")


def _arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name].astype(np.float32, copy=False) for name in stored.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; train a model first (dvc repro train)") from None
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: not the weights of a network: {' '.join(str(error).split())}") from None
