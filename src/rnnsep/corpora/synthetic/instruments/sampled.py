"""Drums, bass and accompaniment played by the sampled instruments of a General MIDI SoundFont."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rnnsep.corpora.synthetic.harmony import pick
from rnnsep.corpora.synthetic.instruments.effects import ranks
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio
from rnnsep.corpora.synthetic.score import Hit, Note
from rnnsep.running.errors import UserError

# programs of General MIDI, counted from 0, for each instrument of `styles.ROLES` and each tone of the bass
# fmt: off
PROGRAMS = {
    "acoustic": (24, 25), "clean": (26, 27, 28), "distorted": (29, 30), "clavinet": (6, 7), "piano": (0, 1, 2, 3),
    "electric piano": (4, 5), "organ": (16, 17, 18, 19, 20, 21), "pad": (88, 89, 90, 91, 92, 94, 95),
    "strings": (40, 41, 42, 44, 48, 49, 50, 51), "brass": (56, 57, 59, 60, 61, 62, 63, 65, 66),
    "stabs": (55, 62, 63, 81), "bell": (8, 9, 10, 14, 46), "mallets": (11, 12, 13, 108, 114),
    "lead": (22, 64, 65, 66, 68, 71, 73, 75, 80, 81, 84, 87), "arpeggio": (24, 45, 46, 80, 81, 104, 107),
    "finger": (33,), "pick": (34,), "round": (35, 33), "slap": (36, 37), "upright": (32,), "synth": (38, 39),
    "sub": (38, 39),
}
KITS = {"acoustic": (0, 8), "big": (16, 8), "tight": (0, 8), "electronic": (24, 25), "808": (25,), "brushes": (40, 32)}
KEYS = {
    "kick": (36, 35), "snare": (38, 40), "clap": (39,), "rim": (37,), "hat": (42, 44), "open": (46,), "ride": (51, 59),
    "crash": (49, 57), "high tom": (50, 48), "mid tom": (47, 45), "low tom": (43, 41), "shaker": (82, 70),
    "tambourine": (54,),
}
# fmt: on
QUALITY = 4  # of the interpolation between samples
LEVELS = 8  # of velocity that are told apart
LOUDNESS = 1.3  # exponent of velocity that gives amplitude
RINGING = 0.5  # s until a hit's note ends; samples of drums ring on


class SoundFont:
    """
    The instruments of a SoundFont file (.sf2), played by symusic.

    Raises `UserError` if symusic is not installed, or the file is no SoundFont.
    """

    def __init__(self, path: Path):
        try:
            import symusic
        except ImportError:
            raise UserError(
                "corpus.synthetic.soundfont needs the package symusic; install it with uv sync --extra soundfont"
            ) from None
        with open(path, "rb") as file:
            if file.read(12)[8:] != b"sfbk":
                raise UserError(f"corpus.synthetic.soundfont: {path} is not a SoundFont (.sf2)")
        self.path = path
        self._symusic: Any = symusic
        self._synthesizer = symusic.Synthesizer(str(path), SAMPLE_RATE, QUALITY)

    def play(self, sounds: Iterable[Note], program: int, nb_samples: int, drums: bool = False) -> Audio:
        """The sounds played by a program or a drum kit of General MIDI, shape (nb_samples, 2).

        Raises `UserError` if the SoundFont does not have it.
        """
        levels: dict[float, list[Note]] = {}
        for sound in sounds:
            levels.setdefault(round(LEVELS * sound.velocity) / LEVELS, []).append(sound)
        total = np.zeros((nb_samples, 2))
        for level, group in levels.items():  # symusic plays all velocities equally loud
            played = self._render(group, program, drums)
            if not played.any():
                raise UserError(
                    f"{self.path}: has no {'drum kit' if drums else 'instrument'} {program}; use another one"
                )
            total[: len(played)] += level**LOUDNESS * played[:nb_samples]
        return total

    def _render(self, sounds: Sequence[Note], program: int, drums: bool) -> Audio:
        """Shape (nb_samples, 2), until the last sound has ended."""
        track = self._symusic.Track("", program, drums)
        for sound in sounds:
            start, duration = round(sound.start * SAMPLE_RATE), max(1, round(sound.duration * SAMPLE_RATE))
            velocity = int(np.clip(20 + 107 * sound.velocity, 1, 127))
            track.notes.append(self._symusic.Note(max(0, start), duration, round(sound.pitch), velocity))
        score = self._symusic.Score(SAMPLE_RATE // 2)  # ticks in a beat of half a second: one for each sample
        score.tracks.append(track)
        return np.asarray(self._synthesizer.render(score, True), np.float64).T

    def notes(
        self, notes: Sequence[Note], instrument: str, rng: np.random.Generator, nb_samples: int, strum: float = 0.0
    ) -> Audio:
        """Notes played by one of the instrument's programs, chords with `strum` s between their notes."""
        sounds = []
        for note, rank in zip(notes, ranks(notes), strict=True):
            late = strum * rank + abs(rng.normal(0.0, 0.003))
            velocity = note.velocity * rng.uniform(0.9, 1.05)
            sounds.append(Note(note.start + late, note.duration, note.pitch, velocity))
        return self.play(sounds, pick(rng, PROGRAMS[instrument]), nb_samples)

    def hits(self, hits: Iterable[Hit], kit: str, rng: np.random.Generator, nb_samples: int) -> Audio:
        """Hits on one of the kits of that name."""
        keys = {piece: pick(rng, choices) for piece, choices in KEYS.items()}
        sounds = [Note(hit.start, RINGING, keys[hit.piece], hit.velocity * rng.uniform(0.93, 1.0)) for hit in hits]
        return self.play(sounds, pick(rng, KITS[kit]), nb_samples, drums=True)


@lru_cache(maxsize=1)
def open_soundfont(path: Path) -> SoundFont:
    """The SoundFont at `path`, read once in a process."""
    return SoundFont(path)
