"""Networks with random weights and the masks that they make for an excerpt."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.hel1.excerpts import Excerpt, Samples
from experiments.hel1.published import SOURCES
from rnnsep import params
from rnnsep.network.drawing import drawn
from rnnsep.network.input import InputParams, compress
from rnnsep.network.mask import MaskParams, soft_mask
from rnnsep.network.model import Model
from rnnsep.network.network import Architecture, DefectParams, Network, NetworkParams
from rnnsep.network.trunk import RnnParams, trunk
from rnnsep.presets import catalogue
from rnnsep.signal.stft import Inverse, StftParams, stft

UNTRAINED = "hel1-untrained"
PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Spectrum:
    """The STFT (nb_frames, nb_bins, nb_channels) of an excerpt's mixture."""

    excerpt: Excerpt
    params: StftParams
    mixture: NDArray[np.complex64]

    @classmethod
    def of(cls, excerpt: Excerpt, params: StftParams) -> "Spectrum":
        """The STFT with `params`."""
        return cls(excerpt, params, stft(excerpt.mixture, params))

    def estimates(self, masks: Array) -> Samples:
        """Estimates as `Excerpt.sources` of masks (nb_sources, nb_frames, nb_bins, 1 or nb_channels)."""

        def estimate(mask: Array) -> Samples:
            return Inverse(self.params, len(self.excerpt.mixture))(mask * self.mixture)

        samples = [estimate(mask) for mask in masks[:-1]]
        whole = masks.sum(axis=0).min() > 0.5  # the last source is what the others leave, which takes less time
        return np.stack([*samples, self.excerpt.mixture - sum(samples) if whole else estimate(masks[-1])])


@dataclass(frozen=True)
class Variant:
    """
    A network: preset hel1-untrained, or another one, with `changes` by dotted key.

    per_channel: each channel has masks of its own. silent: masks are 0 where all outputs are, as in andabi, instead of
    equal shares. states: the four sources are the states of four recurrent networks, without dense layers.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    preset: str = UNTRAINED
    per_channel: bool = False
    silent: bool = False
    states: bool = False

    @cached_property
    def document(self) -> dict[str, Any]:
        """params.yaml with all changes."""
        content = params.read_yaml(PARAMS)
        for key, value in (catalogue.changes(self.preset) | dict(self.changes)).items():
            section, _, name = key.partition(".")
            content[section][name] = value
        return content

    @cached_property
    def stft(self) -> StftParams:
        return params.parse(StftParams, self.document["stft"], "stft")

    @property
    def described(self) -> list[Any]:
        """All that masks depend on, for JSON."""
        return [
            asdict(self.stft),
            asdict(self.architecture.params),
            self.per_channel,
            self.states,
            *["silent"] * self.silent,
        ]

    @cached_property
    def architecture(self) -> Architecture:
        sections = {"input": InputParams, "rnn": RnnParams, "mask": MaskParams, "defects": DefectParams}
        parts = {name: params.parse(cls, self.document[name], name) for name, cls in sections.items()}
        return Architecture.of(NetworkParams(**parts), len(SOURCES), self.stft)

    def draw(self, seed: int, songs: Sequence[Spectrum]) -> Model:
        """A model with random weights. A standardisation is that of `songs`."""
        random, network = np.random.default_rng(seed), Network(self.architecture, {})
        if self.states:
            weights = [drawn(self.architecture.shapes, random) for _ in SOURCES]
            return Model(SOURCES, self.stft, (States(self.architecture, weights),))
        network.weights = drawn(self.architecture.shapes, random)
        if self.architecture.params.input.standardise:
            means = (song.mixture.mean(axis=2, keepdims=True)[:, : self.architecture.pooling.nb_bins] for song in songs)
            magnitudes = np.stack([network.see(mean) for mean in means])
            seen = compress(magnitudes, self.architecture.params.input, None)
            network.weights["standardisation/shift"] = -seen.mean(axis=(0, 1))
            network.weights["standardisation/scale"] = 1 / seen.std(axis=(0, 1))
        return Model(SOURCES, self.stft, (network,))

    def masks(self, model: Model, song: Spectrum) -> Array:
        """Masks (nb_sources, nb_frames, nb_bins, 1 or nb_channels)."""
        if not self.per_channel:
            masks = model.spread(model.masks(song.mixture))
            equal = np.isclose(masks, 1 / len(masks), atol=1e-6).all(axis=0)
            return np.where(equal, 0, masks) if self.silent else masks
        channels = np.split(song.mixture, song.mixture.shape[2], axis=2)
        return np.concatenate([model.spread(model.masks(channel)) for channel in channels], axis=3)


class States(Network):
    """Masks that are the magnitudes of the last states of a recurrent network for each source."""

    def __init__(self, architecture: Architecture, weights: Sequence[Mapping[str, Array]]):
        super().__init__(architecture, {})
        self.of_each = weights

    def __call__(self, magnitude: Array) -> Array:
        """Masks (nb_sources, nb_frames, nb_bins, 1) from magnitudes (nb_frames, nb_bins, 1)."""
        settings, (nb_frames, nb_bins, _) = self.architecture.params, magnitude.shape
        length = settings.defects.reset
        seen = compress(magnitude[None], settings.input, None)[0, ..., 0]
        sequences = np.pad(seen, ((0, -nb_frames % length), (0, 0))).reshape(-1, length, nb_bins)
        states = np.stack([trunk(settings.rnn, weights, sequences) for weights in self.of_each])
        return soft_mask(states.reshape(len(states), -1, nb_bins, 1)[:, :nb_frames], "abs")
