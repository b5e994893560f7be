"""A test song as a model and the mistakes of a port see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.separation.blocks import Separator
from rnnsep.signal.corpus import MIXTURE, Corpus, Song
from rnnsep.signal.stft import stft
from rnnsep.signal.streams import with_channels


@dataclass(frozen=True)
class Scene:
    """Song `number` of `songs` and the model that separates it. All songs have the model's sample rate."""

    model: Separator
    corpus: Corpus
    songs: Sequence[Song]
    number: int

    @property
    def song(self) -> Song:
        return self.songs[self.number]

    @property
    def next(self) -> "Scene":
        """The next song; after the last one, the first."""
        return Scene(self.model, self.corpus, self.songs, (self.number + 1) % len(self.songs))

    @cached_property
    def mixture(self) -> NDArray[np.complex64]:
        """The STFT of the mixture (nb_frames, nb_bins, nb_channels)."""
        with self.corpus.stem(self.song, MIXTURE) as audio:
            if audio.rate != self.model.stft.sample_rate:
                raise UserError(f"{audio.path}: has {audio.rate} Hz, but the model {self.model.stft.sample_rate} Hz")
            return stft(audio, self.model.stft)

    @cached_property
    def masks(self) -> NDArray[np.float32]:
        """The model's masks (nb_sources, nb_frames, nb_bins, 1)."""
        return self.masks_at(1.0)

    def masks_at(self, level: float) -> NDArray[np.float32]:
        """The model's masks if its input is `level` times the mixture."""
        seen = np.complex64(level) * with_channels(self.mixture, self.model.stft.nb_channels)
        return with_channels(self.model.masks(seen), 1)

    @property
    def estimates(self) -> NDArray[np.complex64]:
        """The estimates (nb_sources, nb_frames, nb_bins, nb_channels) of a port without mistakes."""
        return self.masks * self.mixture
