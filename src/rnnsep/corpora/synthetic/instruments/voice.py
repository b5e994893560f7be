"""A singing voice: glottal pulses and breath through moving formants, with consonants before the notes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import fft, signal

from rnnsep.corpora.synthetic.harmony import RANGES, pick
from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments import production, speech
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, saw
from rnnsep.corpora.synthetic.instruments.sampled import Sounds
from rnnsep.corpora.synthetic.score import Note, Score

HOP = 256  # samples from one control frame to the next
# Formants of an adult, Hz: vowels, then nasals and glides.
VOWELS = {
    "a": (750.0, 1200.0, 2650.0, 3500.0, 4500.0),
    "e": (480.0, 1900.0, 2550.0, 3500.0, 4500.0),
    "i": (300.0, 2250.0, 2950.0, 3600.0, 4600.0),
    "o": (470.0, 850.0, 2600.0, 3400.0, 4400.0),
    "u": (330.0, 800.0, 2400.0, 3300.0, 4300.0),
    "ae": (680.0, 1700.0, 2500.0, 3500.0, 4500.0),
    "uh": (580.0, 1200.0, 2500.0, 3450.0, 4450.0),
    "er": (490.0, 1350.0, 1750.0, 3300.0, 4300.0),
}
SONORANTS = {
    "m": (260.0, 1050.0, 2200.0, 3200.0, 4200.0),
    "l": (340.0, 1150.0, 2700.0, 3400.0, 4400.0),
    "w": (300.0, 700.0, 2300.0, 3300.0, 4300.0),
    "y": (280.0, 2250.0, 3000.0, 3600.0, 4600.0),
}
BANDWIDTHS = (80.0, 100.0, 150.0, 240.0, 400.0)
# Consonants of noise: centre (Hz) low and high, duration (s) low and high, level.
FRICATIVES = {
    "s": (5500.0, 8500.0, 0.07, 0.14, 0.4),
    "sh": (2800.0, 4200.0, 0.07, 0.13, 0.3),
    "f": (2000.0, 9000.0, 0.05, 0.09, 0.12),
    "h": (900.0, 1800.0, 0.04, 0.08, 0.12),
}
PLOSIVES = {
    "t": (3500.0, 5500.0, 0.02, 0.035, 0.4),
    "k": (1500.0, 2600.0, 0.025, 0.04, 0.35),
    "p": (600.0, 1400.0, 0.015, 0.025, 0.3),
}


def _smooth(x: Audio, time: float) -> Audio:
    """One-pole smoothing forwards and backwards over control frames; `time` in seconds."""
    pole = float(np.exp(-HOP / (time * SAMPLE_RATE)))
    return np.asarray(signal.filtfilt([1.0 - pole], [1.0, -pole], x, axis=0))


def _formant_filter(x: Audio, formants: Audio, bandwidth: float, tilt: Audio) -> Audio:
    """Filter `x` (nb_samples,) with a cascade of five resonators, moved once in two control frames.

    `formants` (nb_frames, 5) in Hz; `tilt` (nb_frames,) in dB per octave above 500 Hz. Hann frames of 1024
    samples, overlapping by half, are each convolved by a product of spectra.
    """
    size, hop, length = 1024, 2 * HOP, 2048
    nb_frames = len(x) // hop + 2
    padded = np.zeros((nb_frames + 2) * hop + size)
    padded[hop : hop + len(x)] = x
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:nb_frames]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)
    spectra = fft.rfft(frames * window, length, axis=1)
    f = np.arange(length // 2 + 1) * (SAMPLE_RATE / length)
    # frame j has its centre at sample j * hop
    rows = np.minimum(2 * np.arange(nb_frames), len(formants) - 1)
    nb_low = int(np.searchsorted(f, 8000.0))
    low = f[:nb_low]
    denominator = np.ones((nb_frames, nb_low), dtype=np.complex128)
    numerator = np.ones((nb_frames, 1))
    for q, width in enumerate(BANDWIDTHS):
        centre = formants[rows, q][:, None] ** 2
        denominator *= (centre - low**2) + (1j * bandwidth * width) * low
        numerator = numerator * centre
    response = numerator / denominator
    octaves = np.log2(np.maximum(f, 500.0) / 500.0)
    # the resonances above the fifth, of a tube 17 cm long, which do not move
    upper = np.ones(len(f), dtype=np.complex128)
    for centre in np.arange(5500.0, 80000.0, 1000.0):
        upper *= centre**2 / (centre**2 - f**2 + 600.0j * bandwidth * f)
    spectra *= upper
    # above the formants vowels differ less in level than five resonators would have it
    level = np.log(np.abs(response[:, -1:]))
    even = np.exp(0.6 * (level.mean() - level))
    response *= 1.0 + (even - 1.0) * np.clip((low - 3500.0) / 2500.0, 0.0, 1.0)
    spectra[:, :nb_low] *= response
    spectra[:, nb_low:] *= np.abs(response[:, -1:]) * (low[-1] / f[nb_low:]) ** 10
    spectra *= 10.0 ** (tilt[rows][:, None] * octaves / 20.0)
    frames = fft.irfft(spectra, length, axis=1)
    out = np.zeros((nb_frames + 6) * hop)
    for part in range(length // hop):  # overlap-add, one quarter of every frame at a time
        piece = frames[:, part * hop : (part + 1) * hop]
        out[part * hop : (part + nb_frames) * hop] += piece.reshape(-1)
    return out[hop : hop + len(x)]


def _consonant(rng: np.random.Generator, family: Mapping[str, tuple[float, ...]]) -> Audio:
    """A burst of noise, of one of the family's places and durations."""
    low, high, short, long, gain = family[str(rng.choice(list(family)))]
    centre = rng.uniform(low, high)
    burst = rng.standard_normal(int(rng.uniform(short, long) * SAMPLE_RATE))
    x = np.arange(len(burst)) / len(burst)
    shape = np.sin(np.pi * x) ** 0.7 if family is FRICATIVES else np.exp(-4.0 * x) * np.minimum(1.0, 30.0 * x)
    return gain * shape * fx.bandpass(burst, 0.75 * centre, 1.4 * centre)


def _sing(
    notes: tuple[Note, ...], rng: np.random.Generator, nb_samples: int, size: float, vibrato: float, breath: float
) -> Audio:
    """One take of one voice, shape (nb_samples,). `size` scales the formants, `vibrato` is in semitones."""
    nb_frames = nb_samples // HOP + 2
    t = np.arange(nb_frames) * (HOP / SAMPLE_RATE)
    pitch = np.full(nb_frames, float(notes[0].pitch))
    level = np.zeros(nb_frames)
    wobble = np.zeros(nb_frames)
    formants = np.tile(np.array(VOWELS["a"]), (nb_frames, 1))
    noise = np.zeros(nb_samples)
    vowels = list(VOWELS.values())
    rate = rng.uniform(4.8, 6.2)
    end = 0.0
    for note in notes:
        first = int(note.start * SAMPLE_RATE / HOP)
        last = min(int((note.start + note.duration) * SAMPLE_RATE / HOP), nb_frames)
        if last - first < 3:
            continue
        k = t[first:last] - t[first]
        left = k[-1] - k
        pitch[first:] = note.pitch + rng.normal(0.0, 0.08)
        if rng.random() < 0.7:  # scoop into the note, or come from above
            pitch[first:last] += rng.choice([-2.5, -1.2, 0.8]) * rng.random() * np.exp(-k / rng.uniform(0.03, 0.12))
        if rng.random() < 0.35:  # fall off its end
            pitch[first:last] -= rng.uniform(0.5, 3.0) * np.exp(-left / rng.uniform(0.03, 0.09))
        onset = rng.uniform(0.25, 0.4)
        wobble[first:last] = np.clip((k - onset) / 0.3, 0.0, 1.0) * np.sin(2.0 * np.pi * rate * (k - onset))
        level[first:last] = note.velocity * np.minimum(1.0, k / 0.03) * np.minimum(1.0, left / 0.05)
        level[first:last] *= 0.85 + 0.3 * np.sin(np.pi * np.clip(k / max(note.duration, 0.3), 0.0, 1.0))
        vowel = np.array(vowels[int(rng.integers(len(vowels)))]) * rng.uniform(0.96, 1.04, 5)
        formants[first:] = vowel
        if note.duration > 0.4 and rng.random() < 0.4:  # diphthong
            target = np.array(vowels[int(rng.integers(len(vowels)))])
            mix = np.clip((k / note.duration - 0.5) / 0.4, 0.0, 1.0)[:, None]
            formants[first:last] = vowel * (1.0 - mix) + target * mix
        kind = rng.random()
        if kind < 0.25:
            nb_closed = int(rng.uniform(0.04, 0.08) * SAMPLE_RATE / HOP)
            formants[first : first + nb_closed] = SONORANTS[str(rng.choice(list(SONORANTS)))]
            level[first : first + nb_closed] *= 0.45
        elif kind < 0.85:
            burst = _consonant(rng, FRICATIVES if kind < 0.55 else PLOSIVES)
            length = len(burst) / SAMPLE_RATE
            fx.place(noise, note.start - 0.7 * length, burst, note.velocity)
            closed = length if kind < 0.55 else length + rng.uniform(0.02, 0.05)
            level[max(0, first - int(closed * SAMPLE_RATE / HOP)) : first] *= 0.1
        elif note.start - end > 0.35 and rng.random() < 0.8:  # breathe in
            nb_breath = int(rng.uniform(0.18, 0.3) * SAMPLE_RATE)
            inhale = fx.bandpass(rng.standard_normal(nb_breath), 1200.0, 6000.0) * np.hanning(nb_breath) ** 1.5
            fx.place(noise, note.start - nb_breath / SAMPLE_RATE - 0.05, inhale, 0.05)
        end = note.start + note.duration
        if rng.random() < 0.3:  # the syllable ends in a consonant
            burst = _consonant(rng, FRICATIVES if rng.random() < 0.6 else PLOSIVES)
            fx.place(noise, end - 0.05, burst, 0.8 * note.velocity)
    drift = signal.lfilter([0.03], [1.0, -0.97], rng.standard_normal(nb_frames))
    pitch = _smooth(pitch, rng.uniform(0.014, 0.03)) + vibrato * _smooth(wobble, 0.01) + 1.8 * drift
    formants = np.maximum(_smooth(formants * size, 0.018), 120.0)
    level = np.maximum(_smooth(level, 0.006), 0.0)
    frequency = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    # singers open the mouth where the first formant would fall below the pitch
    formants[:, 0] = np.maximum(formants[:, 0], 1.05 * frequency)
    pulses = saw(fx.upsample(frequency, HOP, nb_samples))
    aspiration = breath * fx.highpass(rng.standard_normal(nb_samples), 2500.0) * (0.7 + 0.5 * pulses)
    source = (pulses + aspiration) * fx.upsample(level, HOP, nb_samples)
    # a loud voice is a bright one
    tilt = rng.uniform(-3.5, 0.0) + 4.0 * (level - 0.8)
    wave = _formant_filter(source, formants, 1.0 + 1.5 * breath, tilt)
    return np.asarray(wave / (fx.rms(wave) + 1e-12) + noise)


WOMEN = ("slt",)  # beginnings of the names of phrases that a woman speaks


def _singer(sounds: Sounds, voice: str, rng: np.random.Generator) -> tuple[speech.Singer, list[speech.Syllable]] | None:
    """A singer of the range `voice` and what is sung, a few phrases of one speaker; None without phrases."""
    if not (files := sounds.files.get("speech")):
        return None
    speaker = pick(rng, sorted({file.stem.partition("-")[0] for file in files}))
    mine = [file for file in files if file.stem.startswith(speaker)]
    words = [one for _ in range(3) for one in speech.syllables(speech.read_phrase(pick(rng, mine)))]
    low, high = (1.08, 1.3) if voice in ("alto", "soprano") else (0.88, 1.1)
    size = rng.uniform(low, high) * (0.85 if speaker in WOMEN else 1.0)
    breath = 0.004 * 50.0 ** rng.random()
    return speech.Singer(size, rng.uniform(0.0, 0.5), breath, rng.uniform(3000.0, 10000.0)), words


def _rap(voice: str, tempo: float, rng: np.random.Generator, nb_samples: int) -> tuple[Note, ...]:
    """Spoken syllables in lines of two bars, on sixteenths."""
    step, low = 15.0 / tempo, RANGES[voice][0]
    dense, base = rng.uniform(0.5, 0.85), low + rng.uniform(-2.0, 6.0)
    notes = []
    for start in range(0, int(nb_samples / SAMPLE_RATE / step) + 1, 32):
        places = [k for k in range(28 + int(rng.integers(0, 4))) if k % 4 == 0 or rng.random() < dense]
        for k, following in zip(places, [*places[1:], places[-1] + 3], strict=True):
            accent = 3.0 * rng.random() * (k % 8 == 4) - 0.08 * k
            duration = step * min(following - k, 3) * 0.95
            notes.append(
                Note((start + k) * step, duration, base + accent + rng.normal(0.0, 1.0), rng.uniform(0.75, 1.0))
            )
    return tuple(notes)


def _recorded(song: Score, rng: np.random.Generator, nb_samples: int, sounds: Sounds, rap: bool) -> Audio:
    """Voices made of speech or of formants, doubled, in harmony or a choir, through the strip of a studio."""
    found = _singer(sounds, song.voice, rng)
    spoken = found is not None and rap
    melody = _rap(song.voice, song.tempo, rng, nb_samples) if spoken else song.melody
    size = rng.uniform(1.02, 1.25) if song.voice in ("alto", "soprano") else rng.uniform(0.86, 1.08)
    vibrato, breath = rng.uniform(0.0, 0.5), rng.uniform(0.03, 0.4)
    formants = found is None or (not spoken and rng.random() < 0.3)

    def take(part: tuple[Note, ...]) -> Audio:
        if formants or found is None:
            return _sing(part, rng, nb_samples, size * rng.uniform(0.97, 1.03), vibrato, breath)
        one, words = found
        one = replace(one, size=one.size * rng.uniform(0.97, 1.03))
        return speech.sing(part, words, one, rng, nb_samples, spoken)

    stem = np.repeat(take(melody)[:, None], 2, axis=1)
    apart, close = rng.uniform(0.3, 1.0), np.exp(rng.uniform(np.log(0.12), np.log(0.9)))
    parts = [(melody, -apart), (melody, apart)] if rng.random() < 0.25 else []  # doubled
    for part, side in [*parts, *zip(song.backing, (-apart, apart), strict=False)]:
        stem += close * take(part)[:, None] * fx.pan(side * rng.uniform(0.6, 1.0))
    stem = fx.compress(fx.highpass(stem, rng.uniform(70.0, 160.0), 2), rng.uniform(2.0, 8.0), rng.uniform(-14.0, 0.0))
    high = fx.highpass(stem, 5500.0, 2)
    stem = stem - high + fx.compress(high, 4.0, 0.0, 0.05)  # sibilants
    stem = fx.saturate(production.tone(stem, rng, 2.0), np.exp(rng.uniform(np.log(0.08), np.log(0.8))))
    for effect, probability in ((production.chorus, 0.12), (production.lofi, 0.05), (production.distort, 0.03)):
        if rng.random() < probability:
            stem = effect(stem, rng)
    return production.echo(stem, rng, 60.0 / song.tempo) if rng.random() < 0.35 else stem


def render_vocals(song: Score, rng: np.random.Generator, nb_samples: int, sounds: Sounds | None, rap: bool) -> Audio:
    """The vocal stem without its room, shape (nb_samples, 2): lead in the middle, backing on the sides.

    `sounds` may have speech, which is sung, or spoken in rhythm if `rap`.
    """
    if sounds:
        return _recorded(song, rng, nb_samples, sounds, rap)
    size = rng.uniform(1.06, 1.2) if song.voice in ("alto", "soprano") else rng.uniform(0.9, 1.05)
    vibrato, breath = rng.uniform(0.1, 0.45), rng.uniform(0.06, 0.35)
    lead = fx.compress(_sing(song.melody, rng, nb_samples, size, vibrato, breath), rng.uniform(2.0, 4.0))
    stem = np.repeat(lead[:, None], 2, axis=1)
    apart = rng.uniform(0.4, 0.95)
    for part, side in zip(song.backing, (-apart, apart), strict=False):
        take = _sing(part, rng, nb_samples, size * rng.uniform(0.95, 1.05), vibrato, 1.5 * breath)
        stem += rng.uniform(0.25, 0.5) * take[:, None] * fx.pan(side)
    if rng.random() < 0.4:  # echo, a dotted eighth late, from side to side
        delay = int(45.0 / song.tempo * SAMPLE_RATE)
        echo = np.zeros((nb_samples + 2 * delay, 2))
        echo[delay : delay + nb_samples, 0] = 0.2 * stem.mean(axis=1)
        echo[2 * delay :, 1] = 0.12 * stem.mean(axis=1)
        stem += echo[:nb_samples]
    stem = fx.saturate(fx.highpass(stem, 80.0, 2), rng.uniform(0.1, 0.35))
    return np.asarray(stem)
