"""Form of a song: its bars, each with a chord, and their timing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from numpy.random import Generator

from rnnsep.corpora.synthetic.styles import STEPS

T = TypeVar("T")

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
# Degrees of the scale, one chord a bar.
PROGRESSIONS = {
    "major": ("0453", "0534", "5304", "0304", "0234", "0354", "3054", "0514", "1405", "0253", "3415", "0133"),
    "minor": ("0526", "0304", "0656", "0362", "0534", "0265", "5604", "0350", "0635", "3065"),
    "dorian": ("0303", "0323", "0636", "0326", "0603"),
    "mixolydian": ("0633", "0363", "0463", "0630", "0660"),
}
RANGES = {"bass": (41, 57), "tenor": (48, 65), "alto": (55, 71), "soprano": (59, 76)}


def pick(rng: Generator, options: Sequence[T]) -> T:
    """One of `options`, each with equal probability."""
    return options[int(rng.integers(len(options)))]


def starts(pattern: str) -> list[tuple[int, int, str]]:
    """(step, length in steps, character) of each note in a pattern."""
    rests = (pattern[step + 1 :] for step in range(len(pattern)))
    lengths = [1 + len(rest) - len(rest.lstrip("-")) for rest in rests]
    return [(step, lengths[step], c) for step, c in enumerate(pattern) if c not in ".-"]


@dataclass(frozen=True)
class Bar:
    """Harmony of a bar and its place in the form; `first` and `last` of a verse or chorus."""

    root: int
    chord: tuple[int, ...]
    chorus: bool
    first: bool
    last: bool
    energy: float


@dataclass(frozen=True)
class Form:
    """Bars of a song, the last of which holds the final chord; pitch classes of its scale; range of its voice.

    A step lasts `step` s. `swing` delays every second step by that fraction of two steps.
    """

    bars: Sequence[Bar]
    scale: Sequence[int]
    range: tuple[int, int]
    step: float
    swing: float

    def time(self, bar: int, step: float) -> float:
        """The start of a step, in s."""
        late = self.swing * 2.0 if int(step) % 2 and step == int(step) else 0.0
        return (bar * STEPS + step + late) * self.step

    def span(self, bar: int, step: int, length: int) -> tuple[float, float]:
        """Start and duration of `length` steps, in s."""
        start = self.time(bar, step)
        return start, self.time(bar, step + length) - start


def make_bars(rng: Generator, nb_bars: int, key: int, mode: str) -> list[Bar]:
    """Alternating verse and chorus of four bars (two in short songs), each with its progression, then the tonic."""
    scale, progressions = SCALES[mode], PROGRESSIONS[mode]
    verse, chorus = (progressions[i] for i in rng.choice(len(progressions), 2, replace=rng.random() < 0.3))
    length = 4 if nb_bars >= 6 else 2
    begins_loud = rng.random() < 0.35
    sevenths = rng.random() < 0.4
    offset = 0 if length == 4 or rng.random() < 0.7 else 2
    bars = []
    for b in range(nb_bars + 1):
        loud = ((b // length) % 2 == 1) != begins_loud
        degree = int((chorus if loud else verse)[(b + offset) % 4]) if b < nb_bars else 0
        nb_tones = 4 if sevenths and b < nb_bars and rng.random() < 0.7 else 3
        chord = tuple((key + scale[(degree + 2 * i) % 7]) % 12 for i in range(nb_tones))
        last = b % length == length - 1 or b == nb_bars - 1
        bars.append(Bar(chord[0], chord, loud, b % length == 0, last, 0.95 if loud else 0.8))
    return bars


def near(classes: Collection[int], target: float, low: float, high: float) -> int:
    """The pitch in [low, high], of one of the pitch classes, that is nearest to the target."""
    candidates = [p for p in range(int(low), int(high) + 1) if p % 12 in classes]
    return min(candidates, key=lambda p: (abs(p - target), p))
