"""One song of the synthetic corpus from its seed: four stems and their sum."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rnnsep.corpora.synthetic.instruments.bass import render_bass
from rnnsep.corpora.synthetic.instruments.chords import render_other
from rnnsep.corpora.synthetic.instruments.drums import render_drums
from rnnsep.corpora.synthetic.instruments.effects import decibels, fade
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio
from rnnsep.corpora.synthetic.instruments.sampled import Sounds
from rnnsep.corpora.synthetic.instruments.voice import render_vocals
from rnnsep.corpora.synthetic.mixing import limit, mix
from rnnsep.corpora.synthetic.score import Score
from rnnsep.corpora.synthetic.song import compose, generator

RENDERERS: dict[str, Callable[[Score, Generator, int, Sounds | None], Audio]] = {
    "vocals": render_vocals,
    "drums": render_drums,
    "bass": render_bass,
    "other": render_other,
}
SOURCES = tuple(RENDERERS)
ENDING = 4.0  # s of a recorded song after its excerpt
PEAK = decibels(-1.0)


def render(seed: int, index: int, seconds: float, sounds: Path | None = None) -> dict[str, NDArray[np.int16]]:
    """Stems and mixture of song `index`, each int16 of shape (round(44100 seconds), 2).

    `sounds` are recorded instruments and speech (see `Sounds`). The mixture is the exact sum of the stems, with its
    peak at -1 dB. A pure function of its arguments and the sounds. Raises `UserError` if these cannot be used.
    """
    nb_samples = round(seconds * SAMPLE_RATE)
    opened = Sounds(sounds) if sounds else None
    song = compose(seed, index, seconds + (ENDING if opened else 0.0), opened is not None)
    stems = {}
    for source, play in RENDERERS.items():
        dry = play(song, generator(seed, index, source), nb_samples, opened)
        stems[source] = mix(source, dry, generator(seed, index, f"{source} desk"), song.beat, opened is not None)
    gain = limit(sum(stems.values(), np.zeros((nb_samples, 2))))
    gain = fade(gain, 0.003, 0.02 if opened else min(0.6, 0.2 * seconds))
    stems = {source: x * gain[:, None] for source, x in stems.items()}
    mixture = sum(stems.values(), np.zeros((nb_samples, 2)))
    peak = max(float(np.abs(x).max()) for x in (mixture, *stems.values()))
    rounded = {source: np.rint(x * (PEAK * 32767.0 / peak)).astype(np.int16) for source, x in stems.items()}
    total = sum((x.astype(np.int32) for x in rounded.values()), np.zeros((nb_samples, 2), dtype=np.int32))
    return {**rounded, "mixture": total.astype(np.int16)}
