"""The score of a song: notes, hits and parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from numpy.random import Generator


@dataclass(frozen=True)
class Note:
    """A note: start and duration in s, MIDI pitch, velocity from 0 to 1."""

    start: float
    duration: float
    pitch: float
    velocity: float


@dataclass(frozen=True)
class Hit:
    """A hit on a piece of the drum kit, at `start` (s)."""

    start: float
    piece: str
    velocity: float


Part = Sequence[Note]


def ranks(part: Part) -> list[int]:
    """The place of each note among those that start together."""
    return [rank for _, chord in groupby(part, lambda note: note.start) for rank, _ in enumerate(chord)]


def humanise(note: Note, rng: Generator, late: float) -> Note:
    """The note as a player plays it: `late` by a few ms more, and not quite as loud as written."""
    start = note.start + (late + abs(rng.normal(0.0, 0.003)))
    return replace(note, start=start, velocity=note.velocity * rng.uniform(0.9, 1.05))


@dataclass(frozen=True)
class Score:
    """A song: `melody` is the lead voice, `backing` the voices that join it in the chorus.

    `layers` are the accompanying instruments, `beat` is in s. If `rap`, recorded speech replaces the melody.
    """

    style: str
    beat: float
    voice: str
    rap: bool
    kit: str
    bass_tone: str
    melody: Part
    backing: Sequence[Part]
    drums: Sequence[Hit]
    bass: Part
    layers: Mapping[str, Part]
