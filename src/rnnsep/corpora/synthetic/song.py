"""Compose a song from a seed: form, melody and backing voices, then the other parts."""

import zlib

import numpy as np
from numpy.random import Generator

from rnnsep.corpora.synthetic.arrangement import accompaniment, bass_part, drum_part
from rnnsep.corpora.synthetic.harmony import RANGES, SCALES, Bar, Form, make_bars, near, pick, starts
from rnnsep.corpora.synthetic.score import Note, Part, Score
from rnnsep.corpora.synthetic.styles import ROLES, SONG_RHYTHMS, STYLES


def generator(seed: int, index: int, part: str) -> Generator:
    """The random generator of one part of one song, independent of all other parts and songs."""
    return np.random.default_rng([seed, index, zlib.crc32(part.encode())])


def compose(seed: int, index: int, seconds: float, free: bool = False) -> Score:
    """The score of song `index` with a length of `seconds`: whole bars, then the last chord.

    A `free` song has more layers, also of other styles, and grooves put together from several.
    """
    rng = generator(seed, index, "score")
    name = pick(rng, tuple(STYLES))
    style = STYLES[name]
    tempo = rng.uniform(*style.tempo)
    # one or two beats remain for the last chord
    nb_bars = max(1, round((seconds - 1.2) * tempo / 240.0))
    if nb_bars > 2:
        tempo = 240.0 * nb_bars / (seconds - rng.uniform(1.0, 1.6))
    swing = pick(rng, style.swing)
    key = int(rng.integers(12))
    mode = pick(rng, ("major", "major", "minor", "minor", "dorian", "mixolydian"))
    scale = [(key + s) % 12 for s in SCALES[mode]]
    voice = pick(rng, tuple(RANGES))
    form = Form(make_bars(rng, nb_bars, key, mode), scale, RANGES[voice], 15.0 / tempo, swing)
    melody = lead_part(rng, form)
    names = layer_names(rng, style.layers, free)
    return Score(
        style=name,
        beat=60.0 / tempo,
        voice=voice,
        rap=generator(seed, index, "rap").random() < (0.6 if name == "hip hop" else 0.06),
        layers={n: accompaniment(rng, form, melody, n, everywhere=n in names[:2]) for n in names},
        kit=pick(rng, style.kits),
        bass_tone=pick(rng, style.bass_tones),
        melody=melody,
        backing=backing_parts(rng, form, melody),
        drums=drum_part(rng, form, style, free),
        bass=bass_part(rng, form, style),
    )


def layer_names(rng: Generator, usual: tuple[str, ...], free: bool) -> list[str]:
    """The accompanying instruments; those that always play come first, one at least."""
    choices = list(dict.fromkeys(usual if not free or rng.random() < 0.6 else ROLES))
    nb_layers = int(rng.integers(2, 6 if free else 5))
    names = [choices[i] for i in rng.permutation(len(choices))[:nb_layers]]
    sparse = [name for name in choices if ROLES[name] in ("answer", "stab")]
    if all(name in sparse for name in names[:2]):
        names[0] = next(name for name in choices if name not in sparse)
    return list(dict.fromkeys(sorted(names, key=lambda name: name in sparse)))


def motif(rng: Generator, centre: float) -> tuple[tuple[str, str], list[float]]:
    """Rhythms of two bars, and the pitches around `centre` that their notes aim at."""
    rhythm = pick(rng, SONG_RHYTHMS)
    nb_notes = sum(len(starts(bar)) for bar in rhythm)
    shape = pick(rng, ("arch", "fall", "rise", "wave"))
    x = np.linspace(0.0, 1.0, nb_notes)
    curve = {
        "arch": np.sin(np.pi * x) * 1.2 - 0.5,
        "fall": 0.8 - 1.5 * x,
        "rise": -0.7 + 1.3 * x,
        "wave": np.sin(2.0 * np.pi * (x + rng.random())),
    }[shape]
    steps = rng.choice([-3.0, -2.0, -2.0, 0.0, 2.0, 2.0, 3.0, 5.0], nb_notes)
    return rhythm, list(centre + 3.5 * curve + 0.6 * steps)


def lead_part(rng: Generator, form: Form) -> Part:
    """Phrases of two bars with a rest at the end.

    Verse and chorus have a motif of rhythm and contour each, which later phrases repeat over their own chords. Strong
    and long notes are chord tones.
    """
    bars, nb_bars, middle = form.bars, len(form.bars) - 1, 0.5 * sum(form.range)
    motifs = [motif(rng, middle - rng.uniform(1.0, 3.0)), motif(rng, middle + rng.uniform(1.0, 4.0))]
    notes: list[Note] = []
    previous = middle
    for b, bar in enumerate(bars[:-1]):
        second = b % 2
        rhythm, contour = motifs[bars[b - second].chorus]
        nb_before = second * len(starts(rhythm[0]))
        places = starts(rhythm[1 if b == nb_bars - 1 else second])
        for i, (step, length, _) in enumerate(places):
            target = contour[(i + nb_before) % len(contour)] + rng.normal(0.0, 0.5)
            target = previous + float(np.clip(target - previous, -7.0, 7.0))
            strong = step % 8 == 0 or length >= 4 or i == len(places) - 1
            classes = bar.chord if strong else form.scale
            pitch = near(classes, target, *form.range)
            if pitch == previous and rng.random() < 0.6:
                pitch = near([c for c in classes if c != pitch % 12], target, *form.range)
            start, duration = form.span(b, step, length)
            loud = bar.energy * rng.uniform(0.82, 1.0) * (1.0 if step % 4 == 0 else 0.92)
            sounding = duration * (1.0 if length < 6 else 0.92) * rng.uniform(0.9, 1.0)
            notes.append(Note(start, sounding, pitch, loud))
            previous = pitch
    final = near(bars[-1].chord, previous, *form.range)
    return [*notes, Note(form.time(nb_bars, 0), 8.0 * form.step, final, 0.85)]


def backing_parts(rng: Generator, form: Form, melody: Part) -> list[Part]:
    """Backing voices in the chorus: doubles, thirds above or below, or held chords."""
    spans = [(form.time(b, 0), form.time(b + 1, 0), bar) for b, bar in enumerate(form.bars) if bar.chorus]
    sung = [(note, bar) for note in melody for begin, end, bar in spans if begin <= note.start < end]
    kind = pick(rng, ("none", "none", "double", "double", "third", "choir"))
    if kind == "none" or not sung:
        return []

    def joining(note: Note, bar: Bar, interval: float) -> Note:
        pitch = note.pitch if kind == "double" else near(bar.chord, note.pitch + interval, 36, 84)
        return Note(note.start + abs(rng.normal(0.0, 0.012)), note.duration, pitch, note.velocity * 0.9)

    def held(begin: float, end: float, bar: Bar, interval: float) -> Note:
        pitch = near(bar.chord, 0.5 * sum(form.range) + interval, *form.range)
        return Note(begin, (end - begin) * 0.96, pitch, 0.7)

    if kind == "choir":
        return [[held(*span, interval) for span in spans] for interval in (-4.0, 4.0)]
    return [[joining(*one, interval) for one in sung] for interval in (-5.0, 4.0)]
