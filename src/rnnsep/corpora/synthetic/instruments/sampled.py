"""Recorded instruments: SoundFonts (General MIDI) and folders of samples."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.random import Generator

from rnnsep.corpora.synthetic.harmony import pick
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio
from rnnsep.corpora.synthetic.score import Note, Part, humanise, ranks
from rnnsep.running.errors import UserError

# programs of General MIDI, counted from 0, for each instrument of `styles.ROLES` and each tone of the bass
# fmt: off
PROGRAMS = {
    "acoustic": (24, 25, 25, 105, 106), "clean": (26, 27, 27, 28, 31), "distorted": (29, 30, 30, 29),
    "clavinet": (6, 7), "piano": (0, 1, 2, 3), "electric piano": (4, 5, 2), "organ": (16, 17, 18, 19, 20, 21, 22),
    "pad": (88, 89, 90, 91, 92, 93, 94, 95, 52, 54, 100), "strings": (40, 41, 42, 44, 45, 48, 48, 49, 50, 51),
    "brass": (56, 57, 59, 60, 61, 61, 62, 63, 64, 65, 66, 67), "stabs": (55, 62, 63, 81, 90, 61),
    "bell": (8, 9, 10, 14, 46, 98, 112), "mallets": (11, 12, 13, 108, 114),
    "lead": (22, 64, 65, 66, 68, 71, 73, 75, 80, 81, 84, 85, 87, 29, 30, 40, 56, 59),
    "arpeggio": (24, 45, 46, 80, 81, 104, 107, 28, 4, 11, 96, 99),
    "finger": (33, 33, 34), "pick": (34, 34, 33), "round": (35, 33, 32), "slap": (36, 37), "upright": (32, 32, 35),
    "synth": (38, 39, 87, 81), "sub": (38, 39),
}
KITS = {
    "acoustic": (0, 8, 16, 1), "big": (16, 8, 0), "tight": (0, 8, 1), "electronic": (24, 25), "808": (25, 24),
    "brushes": (40, 32),
}
KEYS = {
    "kick": (36, 35), "snare": (38, 40), "clap": (39,), "rim": (37,), "hat": (42, 44), "open": (46,), "ride": (51, 59),
    "crash": (49, 57), "high tom": (50, 48), "mid tom": (47, 45), "low tom": (43, 41), "shaker": (82, 70),
    "tambourine": (54,),
}
# fmt: on
QUALITY = 4  # of the interpolation between samples
LEVELS = 3  # of velocity that are told apart
LOUDNESS = 1.3  # exponent of velocity that gives amplitude
RINGING = 2.0  # s that a stroke is heard


class SoundFont:
    """The instruments of a SoundFont file (.sf2), played by symusic.

    Raises `UserError` if symusic is not installed, or the file is no SoundFont.
    """

    def __init__(self, path: Path):
        try:
            import symusic
        except ImportError:
            raise UserError(
                "corpus.synthetic.sounds needs the package symusic; install it with uv sync --extra soundfont"
            ) from None
        with open(path, "rb") as file:
            if file.read(12)[8:] != b"sfbk":
                raise UserError(f"corpus.synthetic.sounds: {path} is not a SoundFont (.sf2)")
        self.path = path
        self._symusic: Any = symusic
        self._synthesizer = symusic.Synthesizer(str(path), SAMPLE_RATE, QUALITY)

    def play(self, part: Part, program: int, nb_samples: int) -> Audio:
        """The part played by a program of General MIDI, shape (nb_samples, 2).

        Raises `UserError` if the SoundFont does not have it.
        """
        levels: dict[float, list[Note]] = {}
        for note in (one for one in part if one.start < nb_samples / SAMPLE_RATE):
            levels.setdefault(round(LEVELS * note.velocity) / LEVELS, []).append(note)
        total = np.zeros((nb_samples, 2))
        for level, group in levels.items():  # symusic plays all velocities equally loud
            played = self._render(group, program, drums=False)
            if not played.any():
                raise UserError(f"{self.path}: has no instrument {program}; use another one")
            total[: len(played)] += level**LOUDNESS * played[:nb_samples]
        return total

    def _render(self, part: Part, program: int, drums: bool) -> Audio:
        """Shape (nb_samples, 2), until the last note has ended; a program is a kit of `drums`, a pitch its piece."""
        track = self._symusic.Track("", program, drums)
        for note in part:
            start, duration = round(note.start * SAMPLE_RATE), max(1, round(note.duration * SAMPLE_RATE))
            velocity = int(np.clip(20 + 107 * note.velocity, 1, 127))
            track.notes.append(self._symusic.Note(max(0, start), duration, round(note.pitch), velocity))
        score = self._symusic.Score(SAMPLE_RATE // 2)  # ticks in a beat of half a second: one for each sample
        score.tracks.append(track)
        return np.asarray(self._synthesizer.render(score, True), np.float64).T

    def perform(self, part: Part, instrument: str, rng: Generator, nb_samples: int, strum: float = 0.0) -> Audio:
        """The part played by one of the instrument's programs, chords with `strum` s between their notes."""
        played = [humanise(note, rng, strum * rank) for note, rank in zip(part, ranks(part), strict=True)]
        return self.play(played, pick(rng, PROGRAMS[instrument]), nb_samples)

    def strokes(self, kit: int, key: int, velocities: Iterable[float]) -> list[Audio]:
        """One stroke on a piece of a drum kit for each velocity, (nb_samples, 2); none if the kit lacks it."""
        strokes = []
        for velocity in velocities:
            x = self._render([Note(0.0, RINGING, key, velocity)], kit, drums=True)
            if len(audible := np.flatnonzero(np.abs(x).max(axis=1) > 1e-3 * np.abs(x).max())):
                strokes.append(x[: min(audible[-1] + 1, int(RINGING * SAMPLE_RATE))])
        return strokes


class Sounds:
    """A SoundFont, or a folder of SoundFonts and, in folders of the name of their kind, of WAV or FLAC files.

    Kinds are the pieces of the drum kit, `percussion`, `loop`, `bass`, `effect` and `speech` (docs/results.md). Raises
    `UserError` if there is no SoundFont. To be opened anew for each song: a stroke that symusic has played on one kit
    can change the same stroke on another one.
    """

    def __init__(self, path: Path):
        files = [path] if path.is_file() else sorted(path.glob("*.sf2"))
        if not files:
            raise UserError(f"corpus.synthetic.sounds: {path} holds no SoundFont (.sf2)")
        self.fonts = [SoundFont(file) for file in files]
        self.files: dict[str, list[Path]] = {}
        for file in sorted(path.glob("*/*")) if path.is_dir() else ():
            if file.suffix in (".wav", ".flac"):
                self.files.setdefault(file.parent.name, []).append(file)

    def font(self, rng: Generator) -> SoundFont:
        return pick(rng, self.fonts)

    def sample(self, kind: str, rng: Generator) -> tuple[str, Audio] | None:
        """Name and sound, (nb_samples, 2), of one file of that kind; None if there are none."""
        if not (files := self.files.get(kind)):
            return None
        file = pick(rng, files)
        return file.stem, read_sample(file)


@lru_cache(maxsize=256)
def read_sample(path: Path, whole: bool = False) -> Audio:
    """A sound file as (nb_samples, 2) at 44.1 kHz, without silence at its start unless `whole`. Raises `UserError`."""
    try:
        x, rate = soundfile.read(path, always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UserError(f"{path}: cannot be read ({error}); replace or remove it") from None
    if rate != SAMPLE_RATE:
        raise UserError(f"{path}: has {rate} Hz; samples must have {SAMPLE_RATE} Hz")
    x = np.broadcast_to(x[:, :2], (len(x), 2))
    loud = np.flatnonzero(np.abs(x).max(axis=1) > 0.01 * np.abs(x).max())
    return np.asarray(x if whole or not len(loud) else x[loud[0] :])
