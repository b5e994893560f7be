"""What a song consists of: notes, hits, layers, and the score that has them all."""

from collections.abc import Mapping
from dataclasses import dataclass


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


@dataclass(frozen=True)
class Score:
    """A song: `melody` is the lead voice, `backing` the voices that join it in the chorus.

    `layers` are the accompanying instruments.
    """

    style: str
    tempo: float
    voice: str
    kit: str
    bass_tone: str
    melody: tuple[Note, ...]
    backing: tuple[tuple[Note, ...], ...]
    drums: tuple[Hit, ...]
    bass: tuple[Note, ...]
    layers: Mapping[str, tuple[Note, ...]]
