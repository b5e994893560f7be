"""What the sources of a song consist of: a stem, or a weighted sum of stems and mixture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rnnsep.corpora.original import Original
from rnnsep.params import ParamError
from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import MIXTURE

VOCALS, ACCOMPANIMENT, REST = "vocals", "accompaniment", "rest"

Weights = Mapping[str, int]  # by name of the stem


@dataclass(frozen=True)
class Choice:
    """The `named` sources, and `rest`, the name of one more source for everything else in the songs, or None."""

    named: tuple[str, ...]
    rest: str | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return self.named if self.rest is None else (*self.named, self.rest)

    def components(self, song: Original) -> dict[str, Weights]:
        """The weights that make up the mixture and each source of `song`; a source without components is silent.

        Raises `UserError` if the song lacks a named source.
        """
        stems = song.sources()
        mixture = stems.pop(MIXTURE, None)
        found: dict[str, Weights] = {}
        for source in self.named:
            if not (parts := _parts(source, stems)):
                raise UserError(
                    f"{song.title}: has no {source}.wav; add it, remove the song, or remove the source from"
                    " corpus.sources"
                )
            found[source] = dict.fromkeys(parts, 1)
        if self.rest is not None:
            found[self.rest] = _rest(song, self.named)
        # without a mixture, the sum of what the sources consist of: an accompaniment may be the sum of other stems
        used = _all(found.values())
        return {MIXTURE: dict.fromkeys(mixture or [stem for stem in _all(stems.values()) if stem in used], 1), **found}


def choose(named: Sequence[str] | None, songs: Sequence[Original]) -> Choice:
    """The choice of the `named` sources, by default all, with a rest if songs hold anything else.

    The sources then sum to the mixture. The rest is called accompaniment if only the vocals are named. Raises
    `ParamError` for a source that no song has, `UserError` if there would be one source only.
    """
    own = [name for name in dict.fromkeys(_all(song.sources() for song in songs)) if name != MIXTURE]
    named = named or own
    for source in named:
        if source not in (*own, ACCOMPANIMENT):
            known = ", ".join(sorted({*own, ACCOMPANIMENT}))
            raise ParamError("corpus.sources", f"no song has {source!r}; the songs have {known}")
    if any(_rest(song, named) for song in songs):
        return Choice(tuple(named), ACCOMPANIMENT if list(named) == [VOCALS] else REST)
    if len(named) < 2:
        raise UserError(f"corpus: {', '.join(named)} is the only source; separation needs at least two, or a mixture")
    return Choice(tuple(named))


def _rest(song: Original, named: Sequence[str]) -> Weights:
    """What `song` holds in addition to the `named` sources: other stems, or the mixture minus a single source."""
    stems = song.sources()
    mixture = stems.pop(MIXTURE, None)
    if ACCOMPANIMENT in named:
        left = [VOCALS] if VOCALS in stems and VOCALS not in named else []
    else:
        left = [name for name in stems if name not in named]
        if ACCOMPANIMENT in left and len(left) > 1:  # which overlaps with the others
            left = [ACCOMPANIMENT] if list(named) == [VOCALS] else [name for name in left if name != ACCOMPANIMENT]
    if not left and len(named) == 1 and mixture:
        return dict.fromkeys(mixture, 1) | dict.fromkeys(_parts(named[0], stems), -1)
    return dict.fromkeys(_all(stems[name] for name in left), 1)


def _parts(source: str, stems: Mapping[str, list[str]]) -> list[str]:
    """The stems of `source`; those of everything but the vocals for an accompaniment that is no stem."""
    if source == ACCOMPANIMENT and source not in stems:
        return _all(parts for name, parts in stems.items() if name != VOCALS)
    return stems.get(source, [])


def _all(parts: Iterable[Iterable[str]]) -> list[str]:
    return [one for part in parts for one in part]
