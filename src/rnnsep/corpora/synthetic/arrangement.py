"""Drums, bass and accompaniment of a song."""

from itertools import pairwise

import numpy as np

from rnnsep.corpora.synthetic.harmony import Bar, Grid, near, pick, starts
from rnnsep.corpora.synthetic.score import Hit, Note
from rnnsep.corpora.synthetic.styles import FILLS, RHYTHMS, ROLES, STEPS, Style


def drum_part(rng: np.random.Generator, grid: Grid, bars: list[Bar], style: Style, free: bool) -> list[Hit]:
    """Hits of the drum kit: a groove for the verse and one for the chorus, with fills and crashes.

    The parts of a `free` groove may be of different ones.
    """
    grooves = [pick(rng, style.grooves) for _ in range(2)]
    if free and rng.random() < 0.5:
        grooves = [(pick(rng, style.grooves)[0], snare, pick(rng, style.grooves)[2]) for _, snare, _ in grooves]
    if rng.random() < 0.6:  # the same beat, with another cymbal in the chorus
        ride = "t.t.t.t.t.t.t.t." if rng.random() < 0.5 else "o...o...o...o..."
        grooves[1] = (grooves[0][0], grooves[0][1], ride)
    shaker = pick(rng, ("", "", "", "x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx", "....x.......x..."))
    shaken = pick(rng, ("shaker", "tambourine"))
    looseness = rng.uniform(0.001, 0.006)
    hits: list[Hit] = []

    def hit(bar: int, step: float, piece: str, velocity: float) -> None:
        start = grid.time(bar, step) + rng.normal(0.0, looseness)
        hits.append(Hit(max(0.0, start), piece, float(np.clip(velocity * rng.uniform(0.88, 1.05), 0.05, 1.0))))

    for b, bar in enumerate(bars[:-1]):
        kick, snare, cymbal = grooves[int(bar.chorus)]
        fill = pick(rng, FILLS) if bar.last and rng.random() < 0.75 else "." * STEPS
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


def bass_part(rng: np.random.Generator, grid: Grid, bars: list[Bar], style: Style) -> list[Note]:
    """Notes of the bass: a line for the verse and one for the chorus."""
    lines = [pick(rng, style.bass_lines) for _ in range(2)]
    lowest = int(rng.integers(28, 36))
    notes = []
    for b, bar in enumerate(bars[:-1]):
        root = lowest + (bar.root - lowest) % 12
        goal = lowest + (bars[b + 1].root - lowest) % 12
        third, fifth = (root + (bar.chord[i] - bar.root) % 12 for i in (1, 2))
        for step, length, kind in starts(lines[int(bar.chorus)]):
            # the approach note: a semitone or tone away, on the side that the line comes from
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


def movement(chord: list[int], previous: list[float], centre: float) -> float:
    """The cost of a voicing: movement of its tones, distance from the centre, adjacent semitones."""
    mean = sum(chord) / len(chord)
    moved = sum(min(abs(p - q) for q in previous) for p in chord) / len(chord)
    harsh = sum(b - a == 1 for a, b in pairwise(chord))
    return moved + abs(mean - sum(previous) / len(previous)) + 0.3 * abs(mean - centre) + 4.0 * harsh


def voice_chords(bars: list[Bar], centre: float) -> list[list[int]]:
    """Chords, each in the inversion whose tones move least from the previous chord."""
    voicings: list[list[int]] = []
    previous = [centre - 4.0, centre, centre + 4.0]
    for bar in bars:
        candidates = []
        for inversion in range(len(bar.chord)):
            pitches = [near([bar.chord[inversion]], centre - 5.0, centre - 13.0, centre + 13.0)]
            for i in range(1, len(bar.chord)):
                tone = bar.chord[(inversion + i) % len(bar.chord)]
                pitches.append(pitches[-1] + (tone - pitches[-1]) % 12)
            candidates.append(pitches)
        costs = [movement(candidate, previous, centre) for candidate in candidates]
        best = candidates[costs.index(min(costs))]
        voicings.append(best)
        previous = [float(p) for p in best]
    return voicings


def accompaniment(
    rng: np.random.Generator,
    grid: Grid,
    bars: list[Bar],
    melody: list[Note],
    instrument: str,
    everywhere: bool,
) -> list[Note]:
    """Notes of an accompanying instrument according to its role, in the chorus or `everywhere`."""
    role = ROLES[instrument]
    low = instrument in ("acoustic", "clean", "piano") and rng.random() < 0.5
    centre = {"arpeggio": 67.0, "power": 45.0, "answer": 71.0}.get(role, 55.0 if low else 61.0)
    voicings = voice_chords(bars, centre + rng.uniform(-2.0, 2.0))
    rooted = role in ("hold", "comp", "strum") and rng.random() < 0.6  # the left hand, or the low strings
    rhythms = [pick(rng, RHYTHMS.get(role, ("X---------------",))) for _ in range(2)]
    order = pick(rng, ("up", "down", "turn", "skip"))
    pace = pick(rng, (1, 2, 2)) if role == "arpeggio" else 2
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
            turn, skip = ladder + ladder[-2:0:-1], ladder[::2] + ladder[1::2]
            cycle = {"up": ladder, "down": ladder[::-1], "turn": turn, "skip": skip}[order]
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
                pitch = pick(rng, voicing)
                notes.append(Note(grid.time(b, step), length * grid.step, pitch, bar.energy * 0.9))
        else:
            pattern = rhythms[int(bar.chorus)]
            if role == "power":
                root = 36 + (bar.root - 36) % 12
                voicing = [root, root + 7, root + 12]
            for step, length, character in starts(pattern):
                start = grid.time(b, step)
                duration = grid.time(b, step + length) - start
                accent = 1.0 if character == "X" else 0.75
                tones = voicing if character == "X" or rng.random() < 0.7 else voicing[1:]
                notes += [Note(start, duration, p, bar.energy * accent * rng.uniform(0.92, 1.0)) for p in tones]
    return notes
