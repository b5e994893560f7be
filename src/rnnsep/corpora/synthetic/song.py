"""The score of a song: key, chords, form, melody, drums, bass and accompaniment, all drawn from a seed.

A bar has 16 steps. Patterns are strings of 16 characters: `-` holds what sounds, `.` rests, anything else
starts a note; what it means is said at each pattern table.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

T = TypeVar("T")
STEPS = 16


@dataclass(frozen=True)
class Note:
    """Start and duration in seconds, MIDI pitch, velocity from 0 to 1."""

    start: float
    duration: float
    pitch: float
    velocity: float


@dataclass(frozen=True)
class Hit:
    """A stroke on a piece of the drum kit, at `start` seconds."""

    start: float
    piece: str
    velocity: float


@dataclass(frozen=True)
class Layer:
    """One accompanying instrument and its notes."""

    instrument: str
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Song:
    """A score. `melody` is the lead voice, `backing` the voices that join it in the chorus."""

    style: str
    tempo: float
    key: int
    mode: str
    voice: str
    kit: str
    bass_tone: str
    melody: tuple[Note, ...]
    backing: tuple[tuple[Note, ...], ...]
    drums: tuple[Hit, ...]
    bass: tuple[Note, ...]
    layers: tuple[Layer, ...]


def generator(seed: int, index: int, part: str) -> np.random.Generator:
    """The random numbers of one part of one song, independent of every other part and song."""
    return np.random.default_rng([seed, index, zlib.crc32(part.encode())])


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


@dataclass(frozen=True)
class Style:
    """What goes together in one kind of music.

    `grooves` are (kick, snare, cymbal) patterns: capital letters are accents; snare `g` is a ghost note, `r` a
    rim click, `c` a clap; cymbal `x` closed, `o` open, `t` the ride. `bass_lines` hold `r` root, `o` octave, `f`
    fifth, `t` third, `a` a step that leads to the next root. `layers` are the instruments to choose from.
    """

    tempo: tuple[float, float]
    swing: tuple[float, ...]
    kits: tuple[str, ...]
    bass_tones: tuple[str, ...]
    grooves: tuple[tuple[str, str, str], ...]
    bass_lines: tuple[str, ...]
    layers: tuple[str, ...]


STYLES = {
    "rock": Style(
        (98.0, 156.0),
        (0.0,),
        ("acoustic", "acoustic", "big"),
        ("pick", "finger", "pick"),
        (
            ("X.......X.......", "....X.......X...", "X.x.X.x.X.x.X.x."),
            ("X.....x.X.......", "....X.......X...", "X.x.X.x.X.x.X.o."),
            ("X......xX.x.....", "....X.......X..g", "X...X...X...X..."),
            ("X..x....X.x.....", "....X..g.g..X...", "X.x.X.x.X.x.X.x."),
            ("X.x...x.X.x.....", "....X.......X...", "o...o...o...o..."),
        ),
        ("r-r-r-r-r-r-r-r-", "r---r-r-r---r-a-", "r-----r-r-----a-", "r-r-f-r-r-r-o-a-", "r---r---r---f-a-"),
        ("distorted", "distorted", "clean", "acoustic", "organ", "lead", "piano"),
    ),
    "pop": Style(
        (88.0, 128.0),
        (0.0, 0.0, 0.08),
        ("acoustic", "electronic", "tight"),
        ("finger", "synth", "pick", "round"),
        (
            ("X.......X.......", "....X.......X...", "x.x.x.x.x.x.x.x."),
            ("X...X...X...X...", "....c.......c...", "..o...o...o...o."),
            ("X.....x...X.....", "....X.......X...", "xxx.xxx.xxx.xxx."),
            ("X..x..x.X..x..x.", "....X.......X...", "x.x.x.x.x.x.x.o."),
            ("X.........X.....", "....X..g....X...", "X.x.X.x.X.x.X.x."),
        ),
        ("r---------r-----", "r-----r-r-----r-", "r-r-r-r-r-r-r-r-", "r--r--r-r--r--a-", "r---..r-f---..a-"),
        ("piano", "pad", "clean", "strings", "arpeggio", "electric piano", "acoustic", "lead"),
    ),
    "ballad": Style(
        (66.0, 86.0),
        (0.0, 0.0, 0.1),
        ("acoustic", "tight"),
        ("finger", "round"),
        (
            ("X.......x.......", "....r.......r...", "x.x.x.x.x.x.x.x."),
            ("X......xX.......", "....X.......X...", "x.x.x.x.x.x.x.x."),
            ("X.....x.........", "........X.......", "t.t.t.t.t.t.t.t."),
            ("X.....x.X.......", "....X..g....X...", "x.xxx.x.x.xxx.x."),
        ),
        ("r-------r-----a-", "r-----f-o-----a-", "r---------r---a-", "r-----r-f-----r-"),
        ("piano", "strings", "acoustic", "electric piano", "pad", "clean", "organ"),
    ),
    "funk": Style(
        (92.0, 118.0),
        (0.0, 0.1, 0.16),
        ("tight", "acoustic"),
        ("slap", "finger", "synth"),
        (
            ("X..x..x...x..x..", "....X..g.g..X..g", "x.xxx.xxx.xxx.x."),
            ("X.x.......xx....", "....X..g.g.gX...", "xxxxxxxxxxxxxxxx"),
            ("X......x..X..x..", "....X..g....X.g.", "x.x.x.xox.x.x.x."),
            ("X..x......x.x...", "....X...g..gX...", "xxx.xxx.xxo.xxx."),
        ),
        ("r--r..o-..r-.ra-", "r.r...o.r-..f-a-", "r-..r.o-r-..o.a.", "r--.r-.fo-.fr-a-", "r.ro..r.f.fo..a."),
        ("clean", "electric piano", "organ", "brass", "clavinet", "pad", "lead"),
    ),
    "hip hop": Style(
        (76.0, 100.0),
        (0.0, 0.14, 0.18),
        ("electronic", "tight", "808"),
        ("sub", "round", "synth"),
        (
            ("X.....x..x......", "....X.......X...", "x.x.x.x.x.x.x.x."),
            ("X..x......x.....", "....c.......c..g", "x.x.x.xxx.x.x.xx"),
            ("X.........x..x..", "........X.......", "x.xxx.x.x.xxxxx."),
            ("X......x..x.....", "....X.......X...", "x.xox.x.x.x.x.x."),
        ),
        ("r-----r..-r-----", "r--------.r---a-", "r--r......r-o-..", "r-------..r-r-a-"),
        ("electric piano", "pad", "strings", "arpeggio", "bell", "piano", "lead"),
    ),
    "dance": Style(
        (116.0, 130.0),
        (0.0, 0.0, 0.06),
        ("electronic", "808", "electronic"),
        ("synth", "synth", "sub", "pick"),
        (
            ("X...X...X...X...", "....c.......c...", "..o...o...o...o."),
            ("X...X...X...X...", "....X.......X...", "x.oxx.oxx.oxx.ox"),
            ("X...X...X...X.x.", "....c.......c..c", "xxoxxxoxxxoxxxox"),
            ("X..x..x.X..x..x.", "....X.......X...", "x.x.x.x.x.x.x.x."),
        ),
        ("..r-..r-..r-..r-", "..r-.rr-..r-.ro-", "r-o-r-o-r-o-r-o-", "r.rr.rr.r.rr.ro.", "r--r--r-r--r--o-"),
        ("arpeggio", "pad", "stabs", "piano", "strings", "lead", "bell"),
    ),
    "folk": Style(
        (84.0, 124.0),
        (0.0, 0.0, 0.12),
        ("brushes", "acoustic", "tight"),
        ("upright", "finger", "upright"),
        (
            ("X.......x.......", "....X..g....X...", "x.x.x.x.x.x.x.x."),
            ("X.....x.x.......", "....X.g.....X.g.", "x..xx..xx..xx..x"),
            ("X...x...X...x...", "..x...x...x...x.", "x...x...x...x..."),
            ("X.......X.x.....", "....r.......r...", "t.t.t.t.t.t.t.t."),
        ),
        ("r-------f-------", "r---f---r---a---", "r-----r-f-----a-", "r---t---f---a---"),
        ("acoustic", "acoustic", "piano", "strings", "mallets", "organ", "clean"),
    ),
    "soul": Style(
        (70.0, 112.0),
        (0.1, 0.16, 0.2),
        ("tight", "acoustic", "brushes"),
        ("finger", "round", "upright"),
        (
            ("X..x....X.x.....", "....X..g....X..g", "x.x.x.x.x.x.x.x."),
            ("X.......x..x....", "....X.......X...", "t.t.t.t.t.t.t.t."),
            ("X.....xx..x.....", "....X.......X..g", "x.xxx.xxx.xxx.xx"),
        ),
        ("r--.r-f-r-..a-a-", "r-----f-o---f-a-", "r--r..t-f---o-a-", "r---t---f---a---"),
        ("electric piano", "organ", "brass", "clean", "piano", "strings", "clavinet"),
    ),
}
FILLS = (
    "........ssshhmml",
    "............sshl",
    "........s.sshhll",
    "..........shsmsl",
    "............s.ss",
    "........h.hm.mll",
    "..............sl",
    "........ssssSSSS",
)
# What each accompanying instrument does: hold chords, comp in rhythm, break chords, answer the voice.
ROLES = {
    "pad": "hold",
    "strings": "hold",
    "organ": "hold",
    "piano": "comp",
    "electric piano": "comp",
    "clean": "comp",
    "acoustic": "strum",
    "distorted": "power",
    "clavinet": "comp",
    "brass": "stab",
    "stabs": "stab",
    "arpeggio": "arpeggio",
    "bell": "arpeggio",
    "mallets": "arpeggio",
    "lead": "answer",
}
# `x` a chord, `X` one with an accent.
RHYTHMS = {
    "comp": (
        "X---x---X---x---",
        "X-----x---x-----",
        "X-x-..x-X-x-..x-",
        "..X-..X-..X-..X-",
        "X--x--x-..x-x---",
        "X-------..x-x---",
        "X.x...X...x.x...",
    ),
    "strum": (
        "X---X-x-.-x-X-x-",
        "X---x-x-x---x-x-",
        "X-x-X-x-X-x-X-x-",
        "X--xx-x-x--xx-x-",
        "X-xxX-xx--xxX-xx",
        "X-----x-X-x---x-",
    ),
    "power": (
        "X-x-x-x-X-x-x-x-",
        "X-------X-------",
        "X--x--x-X--x--x-",
        "X---------------",
        "X.x.x.X-..x.X---",
        "XxxxX.xxX-xxX.x.",
    ),
    "stab": (
        "X.....X.........",
        "..X.....X.......",
        "....X--...x.X...",
        "X--X--X-........",
        "......X-......X.",
    ),
}
# Rhythms of two sung bars; the second leaves room to breathe.
SONG_RHYTHMS = (
    ("..x-x-x-x---x-x-", "x---x-x-x-----.."),
    ("x---x-x-x---x---", "x-x-x---x---...."),
    ("x-x-x-x-x---x---", "x-----x-x-----.."),
    ("x-----x-x-x-x---", "x-x---x-------.."),
    ("....x-x-x-x-x-x-", "x---x-x-x-----.."),
    ("x--x--x-x---x-x-", "x--x--x-------.."),
    ("x-x-x--xx-x-x---", "x-x-x-----......"),
    ("..x-x--x--x-x-x-", "x--x--x-x---...."),
    ("x-------x---x---", "x---x---x-----.."),
    ("x---x---x-x-x-x-", "x-------x---...."),
    ("x-xxx-x-x-xxx---", "x-x-xxx-x---...."),
    ("..x-xxx-x-x-x-x-", "x-x-x-x-x-----.."),
    ("x-----------x-x-", "x-----x-x-----.."),
)


@dataclass(frozen=True)
class _Grid:
    """Steps of a bar to seconds; `swing` delays every second step by that fraction of two steps."""

    step: float
    swing: float

    def time(self, bar: int, step: float) -> float:
        late = self.swing * 2.0 if int(step) % 2 and step == int(step) else 0.0
        return (bar * STEPS + step + late) * self.step


def _starts(pattern: str) -> list[tuple[int, int, str]]:
    """(step, length in steps, character) of each note in a pattern."""
    notes = []
    for step, character in enumerate(pattern):
        if character in ".-":
            continue
        rest = pattern[step + 1 :]
        notes.append((step, 1 + len(rest) - len(rest.lstrip("-")), character))
    return notes


@dataclass(frozen=True)
class _Bar:
    """Harmony and place in the form of one bar."""

    root: int
    chord: tuple[int, ...]
    chorus: bool
    first: bool
    last: bool
    energy: float


def _pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _form(rng: np.random.Generator, nb_bars: int, key: int, mode: str) -> list[_Bar]:
    """Sections of four bars (two in short songs), verse and chorus in turn, each with its progression; at the
    end the tonic."""
    scale = SCALES[mode]
    verse, chorus = (PROGRESSIONS[mode][i] for i in rng.choice(len(PROGRESSIONS[mode]), 2, replace=rng.random() < 0.3))
    length = 4 if nb_bars >= 6 else 2
    begins_loud = rng.random() < 0.35
    sevenths = rng.random() < 0.4
    offset = 0 if length == 4 or rng.random() < 0.7 else 2
    bars = []
    for b in range(nb_bars + 1):
        loud = ((b // length) % 2 == 1) != begins_loud
        degree = int((chorus if loud else verse)[(b + offset) % 4]) if b < nb_bars else 0
        nb_tones = 4 if sevenths and b < nb_bars and rng.random() < 0.7 else 3
        tones = [scale[(degree + 2 * i) % 7] + 12 * ((degree + 2 * i) // 7) for i in range(nb_tones)]
        chord = tuple((key + tone) % 12 for tone in tones)
        place_in = b % length
        last = place_in == length - 1 or b == nb_bars - 1
        bars.append(_Bar(chord[0], chord, loud, place_in == 0, last, (0.95 if loud else 0.8)))
    return bars


def _near(classes: tuple[int, ...] | list[int], target: float, low: float, high: float) -> int:
    """The pitch of one of the pitch classes that lies nearest to the target, within the range."""
    candidates = [p for p in range(int(low), int(high) + 1) if p % 12 in classes]
    return min(candidates, key=lambda p: (abs(p - target), p))


def _melody(rng: np.random.Generator, grid: _Grid, bars: list[_Bar], key: int, mode: str, voice: str) -> list[Note]:
    """Phrases of two bars with a rest at the end. Verse and chorus have a motif each, of rhythm and contour,
    which later phrases repeat over their own chords; strong and long notes are tones of the chord."""
    low, high = RANGES[voice]
    scale = [(key + s) % 12 for s in SCALES[mode]]
    nb_bars = len(bars) - 1

    def motif(centre: float) -> tuple[tuple[str, str], list[float]]:
        rhythm = SONG_RHYTHMS[int(rng.integers(len(SONG_RHYTHMS)))]
        nb_notes = sum(len(_starts(bar)) for bar in rhythm)
        shape = _pick(rng, ("arch", "fall", "rise", "wave"))
        x = np.linspace(0.0, 1.0, nb_notes)
        curve = {
            "arch": np.sin(np.pi * x) * 1.2 - 0.5,
            "fall": 0.8 - 1.5 * x,
            "rise": -0.7 + 1.3 * x,
            "wave": np.sin(2.0 * np.pi * (x + rng.random())),
        }[shape]
        steps = rng.choice([-3.0, -2.0, -2.0, 0.0, 2.0, 2.0, 3.0, 5.0], nb_notes)
        return rhythm, list(centre + 3.5 * curve + 0.6 * steps)

    middle = 0.5 * (low + high)
    motifs = {False: motif(middle - rng.uniform(1.0, 3.0)), True: motif(middle + rng.uniform(1.0, 4.0))}
    notes: list[Note] = []
    previous = middle
    for bar in range(nb_bars):
        chorus = bars[bar - bar % 2].chorus
        rhythm, contour = motifs[chorus]
        second = bar % 2
        nb_first = len(_starts(rhythm[0]))
        pattern = rhythm[second]
        if bar == nb_bars - 1 and not second:
            pattern = rhythm[1]
        places = _starts(pattern)
        for i, (step, length, _) in enumerate(places):
            target = contour[(i + second * nb_first) % len(contour)] + rng.normal(0.0, 0.5)
            target = previous + float(np.clip(target - previous, -7.0, 7.0))
            strong = step % 8 == 0 or length >= 4 or i == len(places) - 1
            classes = list(bars[bar].chord) if strong else scale
            pitch = _near(classes, target, low, high)
            if pitch == previous and rng.random() < 0.6:
                pitch = _near([c for c in classes if c != pitch % 12], target, low, high)
            start = grid.time(bar, step)
            end = grid.time(bar, step + length) if step + length < STEPS else grid.time(bar + 1, 0)
            joined = 1.0 if length < 6 else 0.92
            loud = bars[bar].energy * rng.uniform(0.82, 1.0) * (1.0 if step % 4 == 0 else 0.92)
            notes.append(Note(start, (end - start) * joined * rng.uniform(0.9, 1.0), pitch, loud))
            previous = pitch
    final = _near(list(bars[-1].chord), previous, low, high)
    notes.append(Note(grid.time(nb_bars, 0), 8.0 * grid.step, final, 0.85))
    return notes


def _backing(
    rng: np.random.Generator, grid: _Grid, bars: list[_Bar], melody: list[Note], voice: str
) -> list[tuple[Note, ...]]:
    """Voices beside the lead in the chorus: doubles, thirds above or below, or held chords."""
    spans = [(grid.time(b, 0), grid.time(b + 1, 0), bar) for b, bar in enumerate(bars) if bar.chorus]
    sung = [(n, bar) for n in melody for a, z, bar in spans if a <= n.start < z]
    kind = _pick(rng, ("none", "none", "double", "double", "third", "choir"))
    if kind == "none" or not sung:
        return []
    parts = []
    for side in (-1.0, 1.0):
        if kind == "choir":
            low, high = RANGES[voice]
            part = [
                Note(a, (z - a) * 0.96, _near(list(bar.chord), 0.5 * (low + high) + 4.0 * side, low, high), 0.7)
                for a, z, bar in spans
            ]
        else:
            interval = 0.0 if kind == "double" else (4.0 if side > 0 else -5.0)
            part = []
            for note, bar in sung:
                wanted = note.pitch + interval
                pitch = note.pitch if kind == "double" else _near(list(bar.chord), wanted, 36, 84)
                late = abs(rng.normal(0.0, 0.012))
                part.append(Note(note.start + late, note.duration, pitch, note.velocity * 0.9))
        parts.append(tuple(part))
    return parts


def _drums(rng: np.random.Generator, grid: _Grid, bars: list[_Bar], style: Style) -> list[Hit]:
    grooves = [_pick(rng, style.grooves) for _ in range(2)]
    if rng.random() < 0.6:  # the same beat, with another cymbal in the chorus
        ride = "t.t.t.t.t.t.t.t." if rng.random() < 0.5 else "o...o...o...o..."
        grooves[1] = (grooves[0][0], grooves[0][1], ride)
    shaker = _pick(rng, ("", "", "", "x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx", "....x.......x..."))
    shaken = _pick(rng, ("shaker", "tambourine"))
    looseness = rng.uniform(0.001, 0.006)
    hits: list[Hit] = []

    def hit(bar: int, step: float, piece: str, velocity: float) -> None:
        start = grid.time(bar, step) + rng.normal(0.0, looseness)
        hits.append(Hit(max(0.0, start), piece, float(np.clip(velocity * rng.uniform(0.88, 1.05), 0.05, 1.0))))

    for b, bar in enumerate(bars[:-1]):
        kick, snare, cymbal = grooves[int(bar.chorus)]
        fill = _pick(rng, FILLS) if bar.last and rng.random() < 0.75 else "." * STEPS
        begin = STEPS - len(fill.lstrip(".")) if fill.strip(".") else STEPS
        loud = bar.energy
        for step in range(begin):
            c = kick[step]
            if c != ".":
                hit(b, step, "kick", loud * (1.0 if c == "X" else 0.75))
            elif step in (7, 10, 14) and rng.random() < 0.06:
                hit(b, step, "kick", loud * 0.6)
            c = snare[step]
            if c in "Xx":
                hit(b, step, "snare", loud * (1.0 if c == "X" else 0.7))
            elif c in "grc":
                piece, velocity = {"g": ("snare", 0.25), "r": ("rim", 0.8), "c": ("clap", 0.95)}[c]
                hit(b, step, piece, loud * velocity)
            c = cymbal[step]
            if c != "." and not (step == 0 and bar.first and b):
                piece = {"x": "hat", "X": "hat", "o": "open", "t": "ride"}[c]
                hit(b, step, piece, loud * (0.95 if step % 4 == 0 or c == "X" else 0.65))
            if shaker and shaker[step] != ".":
                hit(b, step, shaken, loud * (0.8 if step % 4 == 0 else 0.5))
        for step in range(begin, STEPS):
            tom = {"s": "snare", "S": "snare", "h": "high tom", "m": "mid tom", "l": "low tom"}.get(fill[step])
            if tom:
                hit(b, step, tom, loud * (0.7 + 0.3 * step / STEPS))
            if step % 8 == 0:
                hit(b, step, "kick", loud * 0.8)
        if bar.first and (b == 0 or bar.chorus or rng.random() < 0.6):
            hit(b, 0, "crash", loud)
    hit(len(bars) - 1, 0, "kick", 1.0)
    hit(len(bars) - 1, 0, "crash", 0.95)
    return hits


def _bass(rng: np.random.Generator, grid: _Grid, bars: list[_Bar], style: Style) -> list[Note]:
    lines = [_pick(rng, style.bass_lines) for _ in range(2)]
    lowest = int(rng.integers(28, 36))
    notes = []
    for b, bar in enumerate(bars[:-1]):
        root = lowest + (bar.root - lowest) % 12
        goal = lowest + (bars[b + 1].root - lowest) % 12
        third, fifth = (root + (bar.chord[i] - bar.root) % 12 for i in (1, 2))
        for step, length, kind in _starts(lines[int(bar.chorus)]):
            # the approach: a half or a whole tone away, on the side that the line comes from
            lead = goal - int(rng.integers(1, 3)) * (1 if goal >= root else -1)
            pitch = {"r": root, "o": root + 12, "f": fifth, "t": third, "a": lead if goal != root else fifth}[kind]
            if kind == "r" and step > 8 and rng.random() < 0.06:
                pitch += 12
            start = grid.time(b, step)
            duration = (grid.time(b, step + length) - start) * rng.uniform(0.92, 1.0)
            accent = 1.0 if step % 8 == 0 else 0.85
            notes.append(Note(start, duration, pitch, bar.energy * accent * rng.uniform(0.9, 1.0)))
    final = lowest + (bars[-1].root - lowest) % 12
    notes.append(Note(grid.time(len(bars) - 1, 0), 16.0 * grid.step, final, 0.95))
    return notes


def _movement(chord: list[int], previous: list[float], centre: float) -> float:
    """What a voicing costs: how far its tones move, how far it strays from the centre, half tones side by side."""
    mean = sum(chord) / len(chord)
    moved = sum(min(abs(p - q) for q in previous) for p in chord) / len(chord)
    harsh = sum(b - a == 1 for a, b in pairwise(chord))
    return moved + abs(mean - sum(previous) / len(previous)) + 0.3 * abs(mean - centre) + 4.0 * harsh


def _voicings(bars: list[_Bar], centre: float) -> list[list[int]]:
    """Chords in the inversion whose tones move least from the chord before."""
    voicings: list[list[int]] = []
    previous = [centre - 4.0, centre, centre + 4.0]
    for bar in bars:
        candidates = []
        for inversion in range(len(bar.chord)):
            pitches = [_near([bar.chord[inversion]], centre - 5.0, centre - 13.0, centre + 13.0)]
            for i in range(1, len(bar.chord)):
                tone = bar.chord[(inversion + i) % len(bar.chord)]
                pitches.append(pitches[-1] + (tone - pitches[-1]) % 12)
            candidates.append(pitches)
        costs = [_movement(candidate, previous, centre) for candidate in candidates]
        best = candidates[costs.index(min(costs))]
        voicings.append(best)
        previous = [float(p) for p in best]
    return voicings


def _accompaniment(
    rng: np.random.Generator,
    grid: _Grid,
    bars: list[_Bar],
    melody: list[Note],
    instrument: str,
    everywhere: bool,
) -> list[Note]:
    role = ROLES[instrument]
    low = instrument in ("acoustic", "clean", "piano") and rng.random() < 0.5
    centre = {"arpeggio": 67.0, "power": 45.0, "answer": 71.0}.get(role, 55.0 if low else 61.0)
    voicings = _voicings(bars, centre + rng.uniform(-2.0, 2.0))
    rooted = role in ("hold", "comp", "strum") and rng.random() < 0.6  # the left hand, or the low strings
    rhythms = [_pick(rng, RHYTHMS.get(role, ("X---------------",))) for _ in range(2)]
    order = _pick(rng, ("up", "down", "turn", "skip"))
    pace = _pick(rng, (1, 2, 2)) if role == "arpeggio" else 2
    notes: list[Note] = []
    for b, (bar, voicing) in enumerate(zip(bars, voicings, strict=True)):
        if not (bar.chorus or everywhere or b == len(bars) - 1):
            continue
        begin, end = grid.time(b, 0), grid.time(b + 1, 0)
        if rooted:
            lowest = voicing[0] - 5 - (voicing[0] - 5 - bar.root) % 12
            voicing = [lowest, *voicing]
        if b == len(bars) - 1 or role == "hold":
            if role == "power":
                voicing = [36 + (bar.root - 36) % 12, 43 + (bar.root - 36) % 12]
            end = begin + 14.0 * grid.step if b == len(bars) - 1 else end
            notes += [Note(begin, end - begin, p, bar.energy) for p in voicing]
        elif role == "arpeggio":
            ladder = sorted({p + o for p in voicing for o in (0, 12)})[: len(voicing) + 2]
            cycle = {
                "up": ladder,
                "down": ladder[::-1],
                "turn": ladder + ladder[-2:0:-1],
                "skip": ladder[::2] + ladder[1::2],
            }[order]
            for i, step in enumerate(range(0, STEPS, pace)):
                start = grid.time(b, step)
                accent = 1.0 if step % 4 == 0 else 0.75
                notes.append(Note(start, pace * grid.step * 1.3, cycle[i % len(cycle)], bar.energy * accent))
        elif role == "answer":
            # where the voice rests, a short figure of chord tones
            silent = [
                step
                for step in range(0, STEPS, 2)
                if not any(n.start - 0.05 <= grid.time(b, step) < n.start + n.duration for n in melody)
            ]
            if rng.random() < 0.5:
                silent = [0] if bar.first else silent
            for step in silent:
                length = 2 if step + 2 in silent else 6
                pitch = _pick(rng, voicing)
                notes.append(Note(grid.time(b, step), length * grid.step, pitch, bar.energy * 0.9))
        else:
            pattern = rhythms[int(bar.chorus)]
            if role == "power":
                root = 36 + (bar.root - 36) % 12
                voicing = [root, root + 7, root + 12]
            for step, length, character in _starts(pattern):
                start = grid.time(b, step)
                stop = grid.time(b, step + length) if step + length < STEPS else end
                accent = 1.0 if character == "X" else 0.75
                tones = voicing if character == "X" or rng.random() < 0.7 else voicing[1:]
                notes += [Note(start, stop - start, p, bar.energy * accent * rng.uniform(0.92, 1.0)) for p in tones]
    return notes


def compose(seed: int, index: int, seconds: float) -> Song:
    """The score of song `index`, `seconds` long: whole bars, then the last chord."""
    rng = generator(seed, index, "score")
    name = _pick(rng, tuple(STYLES))
    style = STYLES[name]
    tempo = rng.uniform(*style.tempo)
    # so many bars that a beat or two remain for the last chord
    nb_bars = max(1, round((seconds - 1.2) * tempo / 240.0))
    if nb_bars > 2:
        tempo = 240.0 * nb_bars / (seconds - rng.uniform(1.0, 1.6))
    grid = _Grid(15.0 / tempo, _pick(rng, style.swing))
    key = int(rng.integers(12))
    mode = _pick(rng, ("major", "major", "minor", "minor", "dorian", "mixolydian"))
    voice = _pick(rng, tuple(RANGES))
    bars = _form(rng, nb_bars, key, mode)
    melody = _melody(rng, grid, bars, key, mode, voice)
    choices = list(dict.fromkeys(style.layers))
    nb_layers = int(rng.integers(2, 5))
    order = rng.permutation(len(choices))[:nb_layers]
    names = [choices[i] for i in order]
    if all(ROLES[n] in ("answer", "stab") for n in names[:2]):
        names[0] = next(n for n in choices if ROLES[n] not in ("answer", "stab"))
    names.sort(key=lambda n: ROLES[n] in ("answer", "stab"))  # a layer that always plays comes first
    layers = tuple(
        Layer(n, tuple(_accompaniment(rng, grid, bars, melody, n, everywhere=i < 2)))
        for i, n in enumerate(dict.fromkeys(names))
    )
    return Song(
        style=name,
        tempo=tempo,
        key=key,
        mode=mode,
        voice=voice,
        kit=_pick(rng, style.kits),
        bass_tone=_pick(rng, style.bass_tones),
        melody=tuple(melody),
        backing=tuple(_backing(rng, grid, bars, melody, voice)),
        drums=tuple(_drums(rng, grid, bars, style)),
        bass=tuple(_bass(rng, grid, bars, style)),
        layers=layers,
    )
