"""Statistics of stems that are known."""

import numpy as np

from experiments.realism import statistics

RATE = 44100


def of(x, other=0.0):
    return statistics(x, x + other, RATE)


def test_a_steady_tone_in_the_middle():
    t = np.arange(RATE) / RATE
    tone = np.repeat(np.sin(2 * np.pi * 62.5 * t)[:, None], 2, axis=1)
    found = of(tone)
    assert abs(found["crest factor"] - 20 * np.log10(np.sqrt(2))) < 0.01
    assert abs(found["level in mixture"]) < 0.01
    assert found["side / middle"] == -40 and found["62 Hz, side"] == -60
    assert found["62 Hz"] > -2 and found["1000 Hz"] < -30  # the window leaks
    assert found["below 100 Hz, variation %"] < 30
    half = of(tone, tone)
    assert abs(half["level in mixture"] + 20 * np.log10(2)) < 0.01


def test_strokes_vary_more_than_a_steady_tone_and_noise_on_two_sides_is_wide():
    random, t = np.random.default_rng(0), np.arange(2 * RATE) / RATE
    noise = random.standard_normal((2 * RATE, 2))
    strokes = noise * np.exp(-10 * (t % 0.5))[:, None]
    assert of(strokes)["level over time, spread"] > of(noise)["level over time, spread"] + 3
    assert of(strokes)["4000 Hz, spread"] > of(noise)["4000 Hz, spread"] + 3
    assert abs(of(noise)["side / middle"]) < 0.5 and abs(of(noise)["4000 Hz, side"]) < 0.5
    assert of(noise)["flatness"] > of(np.repeat(noise.cumsum(axis=0)[:, :1], 2, axis=1))["flatness"] + 10


def test_decay_and_brightness_of_strokes():
    t = np.arange(4 * RATE) / RATE
    envelope = np.exp(-10 * (t % 0.5))
    low, middle = (envelope * np.sin(2 * np.pi * f * (t % 0.5)) for f in (70, 600))
    found = of(np.repeat((low + 0.1 * middle)[:, None], 2, axis=1))
    assert abs(found["below 125 Hz, after 0.2 s"] - 20 * np.log10(np.exp(-10 * 0.2))) < 1.5
    assert abs(found["300 Hz to 1 kHz, at onset"] + 20) < 3
    steady = of(np.repeat(np.sin(2 * np.pi * 70 * t)[:, None], 2, axis=1))
    assert np.isnan(steady["below 125 Hz, after 0.2 s"]) and np.isnan(steady["300 Hz to 1 kHz, at onset"])
