"""The synthetic corpus: songs that are composed and rendered from a seed."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rnnsep.corpora.location import SoundsParams
from rnnsep.corpora.original import Original, Split
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE
from rnnsep.corpora.synthetic.render import SOURCES, render
from rnnsep.params import Range
from rnnsep.signal.corpus import MIXTURE
from rnnsep.signal.writing import write_wav

# fmt: off
COLOURS = (
    "Amber", "Azure", "Copper", "Crimson", "Distant", "Electric", "Faded", "Gentle", "Golden", "Hidden",
    "Hollow", "Indigo", "Ivory", "Lunar", "Mellow", "Midnight", "Misty", "Neon", "Northern", "Paper", "Pale",
    "Quiet", "Restless", "Rolling", "Rusty", "Scarlet", "Silent", "Silver", "Solar", "Southern", "Velvet",
    "Winter",
)
PLACES = (
    "Arcade", "Avenue", "Bridge", "Canyon", "Carousel", "Causeway", "Cinema", "Coast", "Compass", "Corner",
    "Drive", "Echo", "Ferry", "Garden", "Harbour", "Horizon", "Island", "Junction", "Lantern", "Letters",
    "Lighthouse", "Meadow", "Mirror", "Motel", "Orchard", "Parade", "Railway", "River", "Signal", "Station",
    "Tower", "Weather",
)
# fmt: on


@dataclass(frozen=True, kw_only=True)
class SyntheticParams(SoundsParams):
    """Section `corpus.synthetic`: how many songs, how long (s), from which seed, on which instruments."""

    seed: Annotated[int, Range(0)]
    train_songs: Annotated[int, Range(1)]
    valid_songs: Annotated[int, Range(1)]
    test_songs: Annotated[int, Range(1)]
    seconds: Annotated[float, Range(1.0, 600.0)]


@dataclass(frozen=True)
class Composition(Original):
    """Song `index` of the synthetic corpus."""

    index: int
    params: SyntheticParams
    sounds: Path | None

    @property
    def names(self) -> tuple[str, ...]:
        return (*SOURCES, MIXTURE)

    def write(self, folder: Path, names: Collection[str]) -> None:
        stems = render(self.params.seed, self.index, self.params.seconds, self.sounds)
        for name in names:
            write_wav(folder / f"{name}.wav", [stems[name]], SAMPLE_RATE)


def compositions(params: SyntheticParams, sounds: Path | None) -> list[Composition]:
    """All songs. Test songs have the first indices, so that they do not depend on the number of training songs."""
    counts: dict[Split, int] = {"test": params.test_songs, "valid": params.valid_songs, "train": params.train_songs}
    splits = [split for split, count in counts.items() for _ in range(count)]
    return [
        Composition(song_name(index), "test" if split == "test" else "train", split, index, params, sounds)
        for index, split in enumerate(splits)
    ]


def song_name(index: int) -> str:
    """Artist and title of song `index`, ASCII, unique."""
    first, second = divmod(index * 389 + 77, len(PLACES))
    return f"Synthetic {index:03d} - {COLOURS[(first * 7 + index) % len(COLOURS)]} {PLACES[second]}"
