"""The score of a song, composed from a seed."""

import zlib

import numpy as np

from rnnsep.corpora.synthetic.arrangement import accompaniment, bass_part, drum_part
from rnnsep.corpora.synthetic.harmony import RANGES, SCALES, Bar, Grid, form, near, pick, starts
from rnnsep.corpora.synthetic.score import Note, Score
from rnnsep.corpora.synthetic.styles import ROLES, SONG_RHYTHMS, STYLES


def generator(seed: int, index: int, part: str) -> np.random.Generator:
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
    grid = Grid(15.0 / tempo, pick(rng, style.swing))
    key = int(rng.integers(12))
    mode = pick(rng, ("major", "major", "minor", "minor", "dorian", "mixolydian"))
    voice = pick(rng, tuple(RANGES))
    bars = form(rng, nb_bars, key, mode)
    melody = lead_part(rng, grid, bars, key, mode, voice)
    choices = list(dict.fromkeys(style.layers if not free or rng.random() < 0.6 else ROLES))
    nb_layers = int(rng.integers(2, 6 if free else 5))
    names = [choices[i] for i in rng.permutation(len(choices))[:nb_layers]]
    if all(ROLES[n] in ("answer", "stab") for n in names[:2]):
        names[0] = next(n for n in choices if ROLES[n] not in ("answer", "stab"))
    names.sort(key=lambda n: ROLES[n] in ("answer", "stab"))  # layers that always play come first
    names = list(dict.fromkeys(names))
    layers = {n: tuple(accompaniment(rng, grid, bars, melody, n, everywhere=n in names[:2])) for n in names}
    return Score(
        style=name,
        tempo=tempo,
        voice=voice,
        kit=pick(rng, style.kits),
        bass_tone=pick(rng, style.bass_tones),
        melody=tuple(melody),
        backing=tuple(backing_parts(rng, grid, bars, melody, voice)),
        drums=tuple(drum_part(rng, grid, bars, style, free)),
        bass=tuple(bass_part(rng, grid, bars, style)),
        layers=layers,
    )


def lead_part(rng: np.random.Generator, grid: Grid, bars: list[Bar], key: int, mode: str, voice: str) -> list[Note]:
    """Phrases of two bars with a rest at the end.

    Verse and chorus have a motif of rhythm and contour each, which later phrases repeat over their own chords. Strong
    and long notes are chord tones.
    """
    low, high = RANGES[voice]
    scale = [(key + s) % 12 for s in SCALES[mode]]
    nb_bars, middle = len(bars) - 1, 0.5 * (low + high)

    def motif(centre: float) -> tuple[tuple[str, str], list[float]]:
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

    motifs = {False: motif(middle - rng.uniform(1.0, 3.0)), True: motif(middle + rng.uniform(1.0, 4.0))}
    notes: list[Note] = []
    previous = middle
    for bar in range(nb_bars):
        second = bar % 2
        rhythm, contour = motifs[bars[bar - second].chorus]
        nb_before = second * len(starts(rhythm[0]))
        places = starts(rhythm[1 if bar == nb_bars - 1 else second])
        for i, (step, length, _) in enumerate(places):
            target = contour[(i + nb_before) % len(contour)] + rng.normal(0.0, 0.5)
            target = previous + float(np.clip(target - previous, -7.0, 7.0))
            strong = step % 8 == 0 or length >= 4 or i == len(places) - 1
            classes = bars[bar].chord if strong else scale
            pitch = near(classes, target, low, high)
            if pitch == previous and rng.random() < 0.6:
                pitch = near([c for c in classes if c != pitch % 12], target, low, high)
            start = grid.time(bar, step)
            sounding = (grid.time(bar, step + length) - start) * (1.0 if length < 6 else 0.92)
            loud = bars[bar].energy * rng.uniform(0.82, 1.0) * (1.0 if step % 4 == 0 else 0.92)
            notes.append(Note(start, sounding * rng.uniform(0.9, 1.0), pitch, loud))
            previous = pitch
    final = near(bars[-1].chord, previous, low, high)
    notes.append(Note(grid.time(nb_bars, 0), 8.0 * grid.step, final, 0.85))
    return notes


def backing_parts(
    rng: np.random.Generator, grid: Grid, bars: list[Bar], melody: list[Note], voice: str
) -> list[tuple[Note, ...]]:
    """Backing voices in the chorus: doubles, thirds above or below, or held chords."""
    spans = [(grid.time(b, 0), grid.time(b + 1, 0), bar) for b, bar in enumerate(bars) if bar.chorus]
    sung = [(n, bar) for n in melody for a, z, bar in spans if a <= n.start < z]
    kind = pick(rng, ("none", "none", "double", "double", "third", "choir"))
    if kind == "none" or not sung:
        return []
    low, high = RANGES[voice]

    def joining(note: Note, bar: Bar, interval: float) -> Note:
        pitch = note.pitch if kind == "double" else near(bar.chord, note.pitch + interval, 36, 84)
        return Note(note.start + abs(rng.normal(0.0, 0.012)), note.duration, pitch, note.velocity * 0.9)

    def held(begin: float, end: float, bar: Bar, interval: float) -> Note:
        return Note(begin, (end - begin) * 0.96, near(bar.chord, 0.5 * (low + high) + interval, low, high), 0.7)

    if kind == "choir":
        return [tuple(held(*span, interval) for span in spans) for interval in (-4.0, 4.0)]
    return [tuple(joining(*one, interval) for one in sung) for interval in (-5.0, 4.0)]
