"""Drums, bass and accompaniment of a song."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from rnnsep.corpora.synthetic.harmony import Bar, Form, near, pick, starts
from rnnsep.corpora.synthetic.score import Hit, Note, Part
from rnnsep.corpora.synthetic.styles import CYMBALS, FILLS, RHYTHMS, ROLES, SHAKERS, SNARES, STEPS, TOMS, Style


def drum_part(rng: Generator, form: Form, style: Style, free: bool) -> list[Hit]:
    """Hits of the drum kit: a groove for the verse and one for the chorus, with fills and crashes.

    The parts of a `free` groove may be of different ones.
    """
    grooves = [pick(rng, style.grooves) for _ in range(2)]
    if free and rng.random() < 0.5:
        grooves = [(pick(rng, style.grooves)[0], snare, pick(rng, style.grooves)[2]) for _, snare, _ in grooves]
    if rng.random() < 0.6:  # the same beat, with another cymbal in the chorus
        ride = "t.t.t.t.t.t.t.t." if rng.random() < 0.5 else "o...o...o...o..."
        grooves[1] = (grooves[0][0], grooves[0][1], ride)
    shaker, shaken = pick(rng, SHAKERS), pick(rng, ("shaker", "tambourine"))
    looseness = rng.uniform(0.001, 0.006)
    hits: list[Hit] = []

    def hit(bar: int, step: float, piece: str, velocity: float) -> None:
        start = form.time(bar, step) + rng.normal(0.0, looseness)
        hits.append(Hit(max(0.0, start), piece, float(np.clip(velocity * rng.uniform(0.88, 1.05), 0.05, 1.0))))

    for b, bar in enumerate(form.bars[:-1]):
        kick, snare, cymbal = grooves[bar.chorus]
        fill = pick(rng, FILLS) if bar.last and rng.random() < 0.75 else "." * STEPS
        nb_free = STEPS - len(fill.lstrip("."))
        for step in range(nb_free):
            if kick[step] != ".":
                hit(b, step, "kick", bar.energy * (1.0 if kick[step] == "X" else 0.75))
            elif step in (7, 10, 14) and rng.random() < 0.06:
                hit(b, step, "kick", bar.energy * 0.6)
            if snare[step] != ".":
                piece, level = SNARES[snare[step]]
                hit(b, step, piece, bar.energy * level)
            if cymbal[step] != "." and not (step == 0 and bar.first and b):
                accent = step % 4 == 0 or cymbal[step] == "X"
                hit(b, step, CYMBALS[cymbal[step]], bar.energy * (0.95 if accent else 0.65))
            if shaker[step] != ".":
                hit(b, step, shaken, bar.energy * (0.8 if step % 4 == 0 else 0.5))
        for step in range(nb_free, STEPS):
            if fill[step] != ".":
                hit(b, step, TOMS[fill[step]], bar.energy * (0.7 + 0.3 * step / STEPS))
            if step % 8 == 0:
                hit(b, step, "kick", bar.energy * 0.8)
        if bar.first and (b == 0 or bar.chorus or rng.random() < 0.6):
            hit(b, 0, "crash", bar.energy)
    hit(len(form.bars) - 1, 0, "kick", 1.0)
    hit(len(form.bars) - 1, 0, "crash", 0.95)
    return hits


def bass_part(rng: Generator, form: Form, style: Style) -> Part:
    """Notes of the bass: a line for the verse and one for the chorus."""
    lines = [pick(rng, style.bass_lines) for _ in range(2)]
    lowest = int(rng.integers(28, 36))
    roots = [lowest + (bar.root - lowest) % 12 for bar in form.bars]
    notes = []
    for b, (root, goal) in enumerate(pairwise(roots)):
        bar = form.bars[b]
        third, fifth = (root + (bar.chord[i] - bar.root) % 12 for i in (1, 2))
        for step, length, kind in starts(lines[bar.chorus]):
            # the approach note: a semitone or tone away, on the side that the line comes from
            lead = goal - int(rng.integers(1, 3)) * (1 if goal >= root else -1)
            pitch = {"r": root, "o": root + 12, "f": fifth, "t": third, "a": lead if goal != root else fifth}[kind]
            if kind == "r" and step > 8 and rng.random() < 0.06:
                pitch += 12
            start, duration = form.span(b, step, length)
            duration *= rng.uniform(0.92, 1.0)
            accent = 1.0 if step % 8 == 0 else 0.85
            notes.append(Note(start, duration, pitch, bar.energy * accent * rng.uniform(0.9, 1.0)))
    return [*notes, Note(form.time(len(roots) - 1, 0), 16.0 * form.step, roots[-1], 0.95)]


def movement(chord: list[int], previous: list[float], centre: float) -> float:
    """The cost of a voicing: movement of its tones, distance from the centre, adjacent semitones."""
    mean = sum(chord) / len(chord)
    moved = sum(min(abs(p - q) for q in previous) for p in chord) / len(chord)
    harsh = sum(b - a == 1 for a, b in pairwise(chord))
    return moved + abs(mean - sum(previous) / len(previous)) + 0.3 * abs(mean - centre) + 4.0 * harsh


def inversion(bar: Bar, lowest: int, centre: float) -> list[int]:
    """The pitches of a bar's chord, upwards from its tone number `lowest`."""
    pitches = [near([bar.chord[lowest]], centre - 5.0, centre - 13.0, centre + 13.0)]
    for tone in (*bar.chord[lowest + 1 :], *bar.chord[:lowest]):
        pitches.append(pitches[-1] + (tone - pitches[-1]) % 12)
    return pitches


def voice_chords(bars: Sequence[Bar], centre: float) -> list[list[int]]:
    """Chords, each in the inversion whose tones move least from the previous chord."""
    voicings: list[list[int]] = []
    previous = [centre - 4.0, centre, centre + 4.0]
    for bar in bars:
        candidates = [inversion(bar, i, centre) for i in range(len(bar.chord))]
        voicings.append(min(candidates, key=lambda chord: movement(chord, previous, centre)))
        previous = [float(pitch) for pitch in voicings[-1]]
    return voicings


def accompaniment(rng: Generator, form: Form, melody: Part, instrument: str, everywhere: bool) -> Part:
    """Notes of an accompanying instrument according to its role, in the chorus or `everywhere`."""
    role = ROLES[instrument]
    low = instrument in ("acoustic", "clean", "piano") and rng.random() < 0.5
    centre = {"arpeggio": 67.0, "power": 45.0, "answer": 71.0}.get(role, 55.0 if low else 61.0)
    voicings = voice_chords(form.bars, centre + rng.uniform(-2.0, 2.0))
    rooted = role in ("hold", "comp", "strum") and rng.random() < 0.6  # the left hand, or the low strings
    rhythms = [pick(rng, RHYTHMS.get(role, ("X---------------",))) for _ in range(2)]
    order = pick(rng, ("up", "down", "turn", "skip"))
    pace = pick(rng, (1, 2, 2)) if role == "arpeggio" else 2
    notes: list[Note] = []

    def add(start: float, duration: float, pitches: list[int], velocity: float) -> None:
        notes.extend(Note(start, duration, pitch, velocity) for pitch in pitches)

    for b, (bar, voicing) in enumerate(zip(form.bars, voicings, strict=True)):
        final = b == len(voicings) - 1
        if not (bar.chorus or everywhere or final):
            continue
        if rooted:
            voicing = [voicing[0] - 5 - (voicing[0] - 5 - bar.root) % 12, *voicing]
        if role == "power":
            root = 36 + (bar.root - 36) % 12
            voicing = [root, root + 7] if final else [root, root + 7, root + 12]
        if final or role == "hold":
            start, duration = form.span(b, 0, STEPS)
            add(start, 14.0 * form.step if final else duration, voicing, bar.energy)
        elif role == "arpeggio":
            ladder = sorted({p + o for p in voicing for o in (0, 12)})[: len(voicing) + 2]
            turn, skip = ladder + ladder[-2:0:-1], ladder[::2] + ladder[1::2]
            cycle = {"up": ladder, "down": ladder[::-1], "turn": turn, "skip": skip}[order]
            for i, step in enumerate(range(0, STEPS, pace)):
                accent = 1.0 if step % 4 == 0 else 0.75
                add(form.time(b, step), pace * form.step * 1.3, [cycle[i % len(cycle)]], bar.energy * accent)
        elif role == "answer":
            # where the voice rests, a short figure of chord tones
            times = {step: form.time(b, step) for step in range(0, STEPS, 2)}
            silent = [
                s for s, t in times.items() if not any(n.start - 0.05 <= t < n.start + n.duration for n in melody)
            ]
            if rng.random() < 0.5:
                silent = [0] if bar.first else silent
            for step in silent:
                length = 2 if step + 2 in silent else 6
                add(times[step], length * form.step, [pick(rng, voicing)], bar.energy * 0.9)
        else:
            for step, length, character in starts(rhythms[bar.chorus]):
                accent = 1.0 if character == "X" else 0.75
                tones = voicing if character == "X" or rng.random() < 0.7 else voicing[1:]
                for pitch in tones:
                    add(*form.span(b, step, length), [pitch], bar.energy * accent * rng.uniform(0.92, 1.0))
    return notes
