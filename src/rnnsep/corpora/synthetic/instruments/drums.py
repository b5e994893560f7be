"""A drum kit drawn per song, struck piece by piece, then compressed as one instrument."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.random import Generator
from scipy import signal

from rnnsep.corpora.synthetic.harmony import pick
from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, modes, seconds
from rnnsep.corpora.synthetic.instruments.sampled import KEYS, KITS, Sounds
from rnnsep.corpora.synthetic.score import Hit, Score

# Ideal circular membrane: frequencies of its modes relative to the lowest.
MEMBRANE = np.array([1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501])
ELECTRONIC = ("electronic", "808")


def _noise(rng: Generator, duration: float, decay: float) -> Audio:
    nb_samples = int(duration * SAMPLE_RATE)
    return np.asarray(rng.standard_normal(nb_samples) * np.exp(-seconds(nb_samples) / decay))


def _mix(*sounds: Audio) -> Audio:
    """Sum of sounds, faded to silence at the end, with a peak of 1."""
    total = fx.layered(*sounds)
    nb_last = min(len(total), SAMPLE_RATE // 100)
    total[-nb_last:] *= np.linspace(1.0, 0.0, nb_last)
    return np.asarray(total / (np.abs(total).max() + 1e-12))


def _kick(rng: Generator, kit: str) -> Audio:
    if kit in ELECTRONIC:
        decay = rng.uniform(0.15, 0.3) if kit == "808" else rng.uniform(0.09, 0.18)
        pitch = rng.uniform(40.0, 55.0)
        body = modes([pitch], [1.0], [decay], int(5 * decay * SAMPLE_RATE), rng.uniform(2.0, 5.0), 0.018)
        body = np.tanh(rng.uniform(1.0, 2.5) * body)
        click = fx.bandpass(_noise(rng, 0.02, 0.0025), rng.uniform(1500.0, 4000.0), 14000.0)
        return _mix(body, rng.uniform(0.1, 0.5) * click)
    pitch = rng.uniform(44.0, 66.0) if kit != "brushes" else rng.uniform(60.0, 80.0)
    decays = rng.uniform(0.05, 0.12) * (1.5 if kit == "big" else 1.0) / np.arange(1, 5) ** 0.7
    body = modes(pitch * MEMBRANE[:4], [1.0, 0.35, 0.2, 0.15], decays, 22050, rng.uniform(0.4, 1.2))
    shell = fx.bandpass(_noise(rng, 0.25, rng.uniform(0.02, 0.05)), 120.0, rng.uniform(400.0, 900.0))
    beater = fx.bandpass(_noise(rng, 0.05, rng.uniform(0.004, 0.009)), rng.uniform(1200.0, 2800.0), 6000.0)
    snap = modes([rng.uniform(1800.0, 3500.0)], [1.0], [0.004], 2000)
    amount = rng.uniform(0.15, 0.6) if kit != "brushes" else 0.08
    return _mix(body, rng.uniform(0.1, 0.4) * shell, amount * beater, 0.5 * amount * snap)


def _snare(rng: Generator, kit: str) -> Audio:
    pitch, ring = rng.uniform(150.0, 245.0), rng.uniform(0.04, 0.12)
    if kit in ELECTRONIC:
        body = modes([pitch, pitch * 1.78], [1.0, 0.6], [ring, 0.6 * ring], 22050, rng.uniform(0.0, 0.6))
        wires = fx.highpass(_noise(rng, 0.45, rng.uniform(0.05, 0.13)), rng.uniform(800.0, 2500.0))
        return _mix(body, rng.uniform(0.5, 1.1) * wires)
    k = np.arange(1, 9)
    amplitudes = rng.uniform(0.4, 1.0, 8) / k**0.6
    pitches = pitch * MEMBRANE * rng.uniform(0.98, 1.02, 8)
    body = modes(pitches, amplitudes, ring / k**0.5, 22050, 0.12, 0.015)
    tail = rng.uniform(0.05, 0.11) * (1.5 if kit == "big" else 1.0)
    wires = fx.bandpass(_noise(rng, 0.5, tail), rng.uniform(900.0, 2200.0), rng.uniform(7000.0, 14000.0))
    buzz = fx.bandpass(_noise(rng, 0.5, 0.6 * tail), rng.uniform(3000.0, 5000.0), 9000.0)
    crack = fx.highpass(_noise(rng, 0.03, rng.uniform(0.003, 0.008)), 1200.0)
    if kit == "brushes":
        swish = fx.bandpass(rng.standard_normal(int(0.3 * SAMPLE_RATE)), 1500.0, 9000.0)
        return _mix(0.25 * body, wires, 0.5 * fx.fade(swish, 0.03, 0.25))
    return _mix(body, rng.uniform(0.5, 1.0) * wires, rng.uniform(0.2, 0.7) * buzz, rng.uniform(0.5, 1.0) * crack)


def _clap(rng: Generator) -> Audio:
    hands = np.zeros(int(0.4 * SAMPLE_RATE))
    for start in np.cumsum(rng.uniform(0.007, 0.013, 4)):
        fx.place(hands, start - 0.007, _noise(rng, 0.03, 0.004))
    fx.place(hands, 0.03, 0.7 * _noise(rng, 0.35, rng.uniform(0.04, 0.09)))
    centre = rng.uniform(1000.0, 1700.0)
    return _mix(fx.bandpass(hands, 0.7 * centre, 1.8 * centre) + 0.15 * fx.highpass(hands, 3000.0))


def _metal(rng: Generator, duration: float, decay: float, low: float, nb_partials: int, noisiness: float) -> Audio:
    """A cymbal: many inharmonic partials, denser and shorter-lived as they go up, in noise."""
    nb_samples = int(duration * SAMPLE_RATE)
    frequencies = low * (16000.0 / low) ** np.sort(rng.random(nb_partials) ** 0.75)
    decays = decay * (low / frequencies) ** 0.35 * rng.uniform(0.5, 1.3, nb_partials)
    amplitudes = rng.uniform(0.2, 1.0, nb_partials) * rng.choice([-1.0, 1.0], nb_partials)
    ring = modes(frequencies, amplitudes, decays, nb_samples)
    wash = fx.highpass(rng.standard_normal(nb_samples), low, 2)
    t = seconds(nb_samples)
    bright = fx.highpass(wash, 7000.0)
    wash = (wash - bright) * np.exp(-t / decay) + bright * np.exp(-t / (0.6 * decay))
    stick = fx.highpass(_noise(rng, 0.02, 0.002), low)
    return _mix(ring / (fx.rms(ring) + 1e-9), noisiness * wash / (fx.rms(wash) + 1e-9), 2.0 * stick)


def _tom(rng: Generator, kit: str, pitch: float) -> Audio:
    decay = rng.uniform(0.1, 0.22)
    amplitudes = [1.0, 0.4, 0.25, 0.2, 0.1] if kit != "808" else [1.0, 0.1, 0.0, 0.0, 0.0]
    body = modes(pitch * MEMBRANE[:5], amplitudes, decay / np.arange(1, 6) ** 0.6, 30000, rng.uniform(0.15, 0.5), 0.05)
    stick = fx.bandpass(_noise(rng, 0.05, 0.006), 800.0, 6000.0)
    return _mix(body, 0.3 * stick)


def _rim(rng: Generator) -> Audio:
    stick = modes([rng.uniform(420.0, 600.0), rng.uniform(1500.0, 1900.0)], [0.6, 1.0], [0.02, 0.012], 6000)
    return _mix(stick, 0.3 * fx.highpass(_noise(rng, 0.03, 0.004), 2000.0))


def _shaker(rng: Generator) -> Audio:
    beads = fx.bandpass(rng.standard_normal(int(0.09 * SAMPLE_RATE)), rng.uniform(3000.0, 6000.0), 14000.0)
    return _mix(fx.fade(beads, 0.03, 0.05))


def _kit(rng: Generator, kit: str) -> dict[str, Callable[[], Audio]]:
    """What makes each piece of the kit; a song uses some of them."""
    low = rng.uniform(280.0, 600.0) if kit in ("acoustic", "big", "brushes") else rng.uniform(400.0, 3000.0)
    closed, opened = rng.uniform(0.02, 0.06), rng.uniform(0.15, 0.35)
    ride, crash = rng.uniform(0.25, 0.5), rng.uniform(0.4, 0.8)
    hat = rng.uniform(2500.0, 6500.0)
    noisiness = rng.uniform(0.6, 1.6)
    tom = rng.uniform(0.85, 1.2)
    return {
        "kick": lambda: _kick(rng, kit),
        "snare": lambda: _snare(rng, kit),
        "clap": lambda: _clap(rng),
        "rim": lambda: _rim(rng),
        "hat": lambda: _metal(rng, 0.22, closed, hat, 40, noisiness),
        "open": lambda: _metal(rng, 0.7, opened, hat, 40, noisiness),
        "ride": lambda: _metal(rng, 1.2, ride, low * 1.5, 60, 0.5 * noisiness),
        "crash": lambda: _metal(rng, 1.9, crash, low, 70, noisiness),
        "high tom": lambda: _tom(rng, kit, tom * 165.0),
        "mid tom": lambda: _tom(rng, kit, tom * 125.0),
        "low tom": lambda: _tom(rng, kit, tom * 88.0),
        "shaker": lambda: _shaker(rng),
        "tambourine": lambda: _metal(rng, 0.25, 0.07, 5000.0, 24, 0.6),
    }


# Level (dB) and place of each piece; the drummer's side is drawn per song.
# fmt: off
MIX = {
    "kick": (0.0, 0.0), "snare": (-2.5, 0.05), "clap": (-5.0, 0.0), "rim": (-8.0, 0.1), "hat": (-11.0, 0.4),
    "open": (-12.0, 0.4), "ride": (-14.0, -0.5), "crash": (-10.0, -0.35), "high tom": (-5.0, 0.35),
    "mid tom": (-5.0, 0.0), "low tom": (-4.0, -0.45), "shaker": (-17.0, -0.4), "tambourine": (-16.0, 0.5),
}
# fmt: on


Strokes = list[Audio]  # on one piece, the softest first


def _made(hits: Sequence[Hit], kit: str, rng: Generator) -> dict[str, Strokes]:
    """The synthesised pieces that the hits use."""
    used = {hit.piece for hit in hits}
    pieces = {name: [make()] for name, make in _kit(rng, kit).items() if name in used}
    for name in pieces.keys() & {"kick", "snare", "high tom"}:  # a soft stroke is darker
        pieces[name].insert(0, fx.lowpass(pieces[name][0], 3500.0))
    return pieces


def _struck(
    hits: Sequence[Hit], rng: Generator, nb_samples: int, pieces: Mapping[str, Strokes], wide: float = 1.0
) -> Audio:
    """The hits on the `pieces`, shape (nb_samples, 2); `wide` is a factor on the spread of their levels."""
    side = rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 1.6)
    cymbals = rng.uniform(-5.0, 3.0) * wide
    gains = {}
    for name, (level, where) in MIX.items():
        level += wide * rng.normal(0.0, 1.5) + (cymbals if name in ("hat", "open", "ride", "crash") else 0.0)
        gains[name] = fx.decibels(level) * fx.pan(np.clip(side * where, -0.9, 0.9))
    total = np.zeros((nb_samples, 2))
    closed = sorted(hit.start for hit in hits if hit.piece == "hat")
    for hit in hits:
        strokes = pieces[hit.piece]
        hard = len(strokes) - 1
        x = strokes[hard if hit.velocity >= 0.5 else int(2.0 * hit.velocity * hard)]
        if hit.piece == "open":  # the next closed stroke chokes it
            until = next((start for start in closed if start > hit.start + 0.02), hit.start + 1.0) - hit.start
            x = fx.fade(x[: max(600, int(until * SAMPLE_RATE))], 0.0, 0.015)
        x = x * (1.0 + 0.12 * rng.standard_normal())
        fx.place(total, hit.start, x, gains[hit.piece] * hit.velocity**1.3)
    return total


ORIGINS = ("font", "sample", "made")
SHARES = (0.6, 0.18, 0.22)  # of the pieces of a kit
# s; time constants of what damps a piece of a recorded kit
DAMPING = {
    "kick": (0.02, 0.11),
    "snare": (0.04, 0.3),
    "clap": (0.03, 0.2),
    "rim": (0.02, 0.1),
    "high tom": (0.06, 0.35),
    "mid tom": (0.06, 0.35),
    "low tom": (0.08, 0.45),
}
LOUDER = {"snare": 1.5, "clap": 1.5, "hat": 5.0, "open": 5.0, "ride": 6.0, "crash": 5.0}  # dB, pieces of a recorded kit


def _piece(name: str, origin: str, kit: str, rng: Generator, sounds: Sounds) -> Strokes:
    """Strokes on a recorded or synthesised piece, (nb_samples, 2), with a peak of 1 or what is `LOUDER`."""
    strokes: Strokes = []
    if origin == "font":
        strokes = sounds.font(rng).strokes(pick(rng, KITS[kit]), pick(rng, KEYS[name]), (0.4, 1.0))
    elif origin == "sample" and (found := sounds.sample(name, rng)):
        strokes = [fx.lowpass(found[1], 4000.0), found[1]]
    if not strokes:
        x = fx.stereo(_kit(rng, kit)[name]())
        strokes = [fx.lowpass(x, 4000.0), x]
    factor = 2.0 ** (rng.normal(0.0, 2.0) / 12.0)
    damping = fx.log_uniform(rng, *DAMPING.get(name, (0.2, 2.0))) if rng.random() < 0.8 else np.inf
    drive = rng.uniform(0.2, 2.0) * (rng.random() < 0.35)
    spread, seed = rng.uniform(1.0, 5.0), int(rng.integers(1 << 30))
    bright = fx.decibels(rng.uniform(-20.0, -4.0)) if name == "kick" else 1.0
    gain = fx.decibels(LOUDER.get(name, 0.0))

    def treated(x: Audio) -> Audio:
        x = fx.tone(fx.retune(x, factor), np.random.default_rng(seed), spread)
        x = x * np.exp(-seconds(len(x)) / damping)[:, None]
        x = fx.saturate(x, drive) if drive else x
        low = fx.lowpass(x, 100.0)  # recorded kicks are darker than samples of them
        x = low + bright * (x - low)
        return np.asarray(gain * fx.fade(x, 0.0, 0.02) / (np.abs(x).max() + 1e-12))

    return [treated(x) for x in strokes]


def _blend(one: Strokes, other: Strokes, gain: float) -> Strokes:
    """Both pieces struck at the same time."""
    nb_levels = max(len(one), len(other))
    pairs = [(one[min(i, len(one) - 1)], other[min(i, len(other) - 1)]) for i in range(nb_levels)]
    return [fx.layered(x, gain * y) for x, y in pairs]


def _recorded(song: Score, rng: Generator, nb_samples: int, sounds: Sounds) -> Audio:
    """A kit put together from recorded and synthesised pieces, layers of them, percussion and loops; its bus."""
    hits, beat = song.drums, song.beat
    home = rng.choice(ORIGINS, p=SHARES)
    pieces = {}
    for name in sorted({hit.piece for hit in hits}):
        origin = home if rng.random() < 0.75 else rng.choice(ORIGINS, p=SHARES)
        pieces[name] = _piece(name, origin, song.kit, rng, sounds)
        if name in ("kick", "snare", "clap") and rng.random() < 0.35:
            second = _piece(name, rng.choice(ORIGINS), pick(rng, tuple(KITS)), rng, sounds)
            pieces[name] = _blend(pieces[name], second, rng.uniform(0.2, 0.9))
    total = _struck(hits, rng, nb_samples, pieces, 1.6)
    if rng.random() < 0.25 and (found := sounds.sample("percussion", rng)):
        x = fx.tone(fx.retune(found[1], 2.0 ** (rng.normal(0.0, 3.0) / 12.0)), rng, 3.0)
        x = x * (rng.uniform(0.1, 0.4) / (np.abs(x).max() + 1e-12)) * fx.pan(rng.uniform(-0.8, 0.8))
        pattern = rng.random(16) < rng.uniform(0.15, 0.6)
        for step in range(int(nb_samples / (SAMPLE_RATE * 0.25 * beat))):
            if pattern[step % 16]:
                fx.place(total, step * 0.25 * beat + rng.normal(0.0, 0.004), x, rng.uniform(0.6, 1.0))
    if rng.random() < 0.08 and (found := sounds.sample("loop", rng)):
        length = len(found[1]) / SAMPLE_RATE / beat  # beats
        nb_beats = float(2.0 ** np.round(np.log2(length)))
        x = fx.tone(fx.retune(found[1], length / nb_beats), rng, 3.0)
        x *= rng.uniform(0.2, 0.8) * fx.rms(total) / (fx.rms(x) + 1e-12)
        for start in np.arange(0.0, nb_samples / SAMPLE_RATE, nb_beats * beat):
            fx.place(total, start, x)
    if rng.random() < 0.8:  # microphones in the room, squashed
        response = fx.room(rng, rng.uniform(0.15, 0.9), rng.uniform(2500.0, 14000.0), rng.uniform(0.5, 1.0))
        wet = signal.oaconvolve(total, response, axes=0)[:nb_samples]
        total = total + rng.uniform(0.1, 0.8) * fx.compress(wet, 6.0, -10.0, 0.15)
    total = _squash(fx.bus(total, rng, 1.2, 3.5), rng.uniform(0.0, 0.7), -12.0, rng.uniform(0.05, 0.2))
    if rng.random() < 0.06:
        total = fx.lofi(total, rng)
    return fx.widen(fx.saturate(total, fx.log_uniform(rng, 0.03, 0.6)), rng)


def _squash(x: Audio, amount: float, threshold: float, release: float) -> Audio:
    """A second copy, squashed, brings up what rings between the strokes."""
    return x + amount * fx.compress(x, 8.0, threshold, release)


def render_drums(song: Score, rng: Generator, nb_samples: int, sounds: Sounds | None) -> Audio:
    """The drum stem without its room, shape (nb_samples, 2), of recorded `sounds` if there are any."""
    if sounds:
        return _recorded(song, rng, nb_samples, sounds)
    total = _struck(song.drums, rng, nb_samples, _made(song.drums, song.kit, rng))
    total = fx.compress(total, rng.uniform(1.2, 3.0), rng.uniform(4.0, 12.0), rng.uniform(0.06, 0.2))
    return fx.saturate(_squash(total, rng.uniform(0.0, 1.0), -15.0, 0.08), rng.uniform(0.03, 0.2))
