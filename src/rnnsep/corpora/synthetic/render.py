"""One song of the synthetic corpus from its seed: four stems and their sum."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from rnnsep.corpora.synthetic.instruments import production
from rnnsep.corpora.synthetic.instruments.bass import render_bass
from rnnsep.corpora.synthetic.instruments.chords import render_other
from rnnsep.corpora.synthetic.instruments.drums import render_drums
from rnnsep.corpora.synthetic.instruments.effects import BANDS, decibels, fade, peaks, rms, room, strip, upsample
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio
from rnnsep.corpora.synthetic.instruments.sampled import Sounds, open_sounds
from rnnsep.corpora.synthetic.instruments.voice import render_vocals
from rnnsep.corpora.synthetic.score import Score
from rnnsep.corpora.synthetic.song import compose, generator

SOURCES = ("vocals", "drums", "bass", "other")


@dataclass(frozen=True)
class _Desk:
    """How a stem is mixed.

    Level relative to the mixture (dB, mean and spread); octave spectrum (dB) and its random variation from octave to
    octave (dB); T60 (s) and amplitude of the room.
    """

    level: tuple[float, float]
    spectrum: tuple[float, ...]
    wander: float
    reverberation: tuple[float, float]
    wet: tuple[float, float]


# Levels and octave spectra (31 Hz to 16 kHz) are medians over MUSDB18's excerpts.
DESKS = {
    "vocals": _Desk((-6.0, 2.2), (-45, -41, -33, -8, -5, -6, -10, -15, -20, -29), 3.5, (0.6, 2.2), (0.1, 0.45)),
    "drums": _Desk((-6.8, 2.4), (-13, -4, -6, -9, -15, -19, -19, -16, -17, -24), 3.0, (0.3, 1.2), (0.2, 0.8)),
    "bass": _Desk((-7.4, 2.4), (-23, -4, -4, -13, -27, -33, -39, -49, -61, -68), 5.0, (0.2, 0.4), (0.0, 0.08)),
    "other": _Desk((-6.0, 2.0), (-42, -25, -10, -6, -7, -9, -10, -16, -30, -46), 3.5, (0.5, 2.2), (0.08, 0.35)),
}
# What the octave spectra of recorded instruments (dB) need to come near those medians.
RECORDED = {
    "vocals": np.array((0, 0, -4, -1, -1, 1, 2, 1, 8, 5)),
    "drums": np.array((0, 0, 1, 2, -2, -7, -7, 0, 3, 1)),
    "bass": np.array((-8, 0, 2, -2, -9, -10, -9, -8, -4, 4)),
    "other": np.array((0, 0, 4, 0, 0, -1, -1, -1, -4, -4)),
}
WANDER = {"vocals": 2.0, "drums": 1.7, "bass": 1.8, "other": 2.8}  # factors on `_Desk.wander` for them
EQUALISATION = 0.8
ENDING = 4.0  # s of a recorded song after its excerpt
PEAK = decibels(-1.0)


def _stems(song: Score, seed: int, index: int, nb_samples: int, sounds: Sounds | None) -> dict[str, Audio]:
    """The four stems, each with its room and spectral balance, at their levels in the mixture."""

    def rng(part: str) -> np.random.Generator:
        return generator(seed, index, part)

    beat = 60.0 / song.tempo
    rap = rng("rap").random() < (0.6 if song.style == "hip hop" else 0.06)
    dry = {
        "vocals": render_vocals(song, rng("vocals"), nb_samples, sounds, rap),
        "drums": render_drums(song.drums, song.kit, rng("drums"), nb_samples, sounds, beat),
        "bass": render_bass(song.bass, song.bass_tone, rng("bass"), nb_samples, sounds),
        "other": render_other(song.layers, rng("other"), nb_samples, sounds, beat),
    }
    stems = {}
    for source, x in dry.items():
        desk, r = DESKS[source], rng(f"{source} desk")
        # each song has its own balance, which wanders from the usual one away from 500 Hz
        steps = r.normal(0.0, desk.wander, len(BANDS))
        colour = np.concatenate([np.cumsum(steps[:4])[::-1], [0.0], np.cumsum(steps[5:])])
        response = room(r, r.uniform(*desk.reverberation), r.uniform(1500.0, 6000.0), r.uniform(0.6, 1.0))
        wet, delay = r.uniform(*desk.wet), r.uniform(0.0, 0.03)
        if (x[:, 0] == x[:, 1]).all() and (
            r.random() < 0.5 if sounds and source == "bass" else source == "bass" or r.random() < 0.15
        ):  # left stays equal to right
            x, response = x[:, :1], response[:, :1]
        amount, limit = EQUALISATION, 1.5
        if sounds:  # records differ more
            amount, limit = r.uniform(0.2, 0.8), 2.5
            wet, colour = wet * r.uniform(0.0, 1.6), colour * WANDER[source] + RECORDED[source]
        x = strip(x, np.array(desk.spectrum) + colour, amount, response, wet, delay)
        x = np.broadcast_to(x, (nb_samples, 2))
        spread = float(np.clip(r.standard_normal(), -limit, limit)) * desk.level[1]
        stems[source] = x / (rms(x) + 1e-12) * decibels(desk.level[0] + spread)
        if sounds:
            stems[source] *= decibels(r.normal(0.0, 2.5 if source in ("drums", "bass") else 1.2))
            if r.random() < 0.12:
                stems[source] = stems[source] * production.gate(nb_samples, r, beat)
    return stems


def _limit(mixture: Audio, nb_samples: int) -> Audio:
    """A limiter's gain, shape (nb_samples,): one curve for all stems, so that they still add up."""
    hop, pole = 64, 0.9
    ceiling = decibels(13.5) * rms(mixture)
    gain = np.minimum(1.0, ceiling / (peaks(mixture, hop) + 1e-12))
    # the least gain within 7 ms, then a smooth way there and back
    gain = ndimage.minimum_filter1d(gain, 11, mode="nearest")
    gain = np.asarray(signal.filtfilt([1.0 - pole], [1.0, -pole], gain, padlen=min(30, len(gain) - 1)))
    return upsample(gain, hop, nb_samples)


def render(seed: int, index: int, seconds: float, sounds: Path | None = None) -> dict[str, NDArray[np.int16]]:
    """Stems and mixture of song `index`, each int16 of shape (round(44100 seconds), 2).

    `sounds` are recorded instruments and speech (see `Sounds`). The mixture is the exact sum of the stems, with its
    peak at -1 dB. A pure function of its arguments and the sounds. Raises `UserError` if these cannot be used.
    """
    nb_samples = round(seconds * SAMPLE_RATE)
    opened = open_sounds(sounds) if sounds else None
    song = compose(seed, index, seconds + (ENDING if opened else 0.0), opened is not None)
    stems = _stems(song, seed, index, nb_samples, opened)
    gain = _limit(sum(stems.values(), np.zeros((nb_samples, 2))), nb_samples)
    gain *= fade(nb_samples, 0.003, 0.02 if opened else min(0.6, 0.2 * seconds))
    stems = {source: x * gain[:, None] for source, x in stems.items()}
    mixture = sum(stems.values(), np.zeros((nb_samples, 2)))
    peak = max(float(np.abs(x).max()) for x in (mixture, *stems.values()))
    rounded = {source: np.rint(x * (PEAK * 32767.0 / peak)).astype(np.int16) for source, x in stems.items()}
    total = sum((x.astype(np.int32) for x in rounded.values()), np.zeros((nb_samples, 2), dtype=np.int32))
    return {**rounded, "mixture": total.astype(np.int16)}
