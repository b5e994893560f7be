"""What the sources of a song consist of: a stem, or a weighted sum of stems and mixture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import MIXTURE

VOCALS, ACCOMPANIMENT, REST = "vocals", "accompaniment", "rest"

Weights = Mapping[str, int]  # by stem, or "mixture"


class Stems(Protocol):
    """A song with named stems."""

    @property
    def name(self) -> str: ...
    @property
    def subset(self) -> str: ...
    @property
    def names(self) -> Sequence[str]:
        """Names of its stems, and "mixture" if it has one of its own."""
        ...


@dataclass(frozen=True)
class Choice:
    """The `named` sources, and `rest`, the name of one more source for everything else in the songs, or None."""

    named: tuple[str, ...]
    rest: str | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return self.named if self.rest is None else (*self.named, self.rest)

    def components(self, song: Stems) -> dict[str, Weights]:
        """The weights that make up the mixture and each source of `song`; a source without any is silent.

        Raises `UserError` if the song lacks a named source.
        """
        stems = [name for name in song.names if name != MIXTURE]
        found: dict[str, Weights] = {MIXTURE: {MIXTURE: 1} if MIXTURE in song.names else dict.fromkeys(stems, 1)}
        for source in self.named:
            found[source] = _named(source, song, stems)
        if self.rest is not None:
            found[self.rest] = _rest(song, self.named)
        return found


def choose(named: Sequence[str], songs: Sequence[Stems]) -> Choice:
    """The choice of the `named` sources, with a rest if songs hold anything else, so that sources sum to the mixture.

    The rest is called accompaniment if only the vocals are named. Raises `UserError` if there would be one source only.
    """
    if any(_rest(song, named) for song in songs):
        return Choice(tuple(named), ACCOMPANIMENT if list(named) == [VOCALS] else REST)
    if len(named) < 2:
        raise UserError(f"corpus: {', '.join(named)} is the only source; separation needs at least two, or a mixture")
    return Choice(tuple(named))


def own_sources(songs: Sequence[Stems]) -> tuple[str, ...]:
    """Names of all stems of all songs, in order of appearance."""
    return tuple(dict.fromkeys(name for song in songs for name in song.names if name != MIXTURE))


def _named(source: str, song: Stems, stems: Sequence[str]) -> Weights:
    if source in stems:
        return {source: 1}
    others = [name for name in stems if name != VOCALS]
    if source == ACCOMPANIMENT and others:
        return dict.fromkeys(others, 1)
    raise UserError(
        f"{song.subset}/{song.name}: has no {source}.wav; add it, remove the song, or remove the source from"
        " corpus.sources"
    )


def _rest(song: Stems, named: Sequence[str]) -> Weights:
    """What `song` holds in addition to the `named` sources: other stems, or the mixture minus a single source."""
    stems = [name for name in song.names if name != MIXTURE]
    if ACCOMPANIMENT in named and VOCALS in named:
        return {}
    left = [name for name in stems if name not in named]
    if ACCOMPANIMENT in left and len(left) > 1:  # which overlaps with the others
        left = [ACCOMPANIMENT] if list(named) == [VOCALS] else [name for name in left if name != ACCOMPANIMENT]
    if ACCOMPANIMENT in named:
        left = [name for name in left if name == VOCALS]
    if not left and len(named) == 1 and MIXTURE in song.names:
        return {MIXTURE: 1, named[0]: -1}
    return dict.fromkeys(left, 1)
