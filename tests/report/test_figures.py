"""Figures: content, colours and spectrograms."""

import io
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rnnsep.report import figures

NAN = math.nan


def labels(svg):
    """Texts of a plot, all colours of which suit a light and a dark page."""
    assert "currentColor" in svg
    assert not re.search(r'(fill|stroke)="(black|white|#000|#fff)', svg)
    return [element.text for element in ET.fromstring(svg).iter() if element.tag.endswith("text")]  # noqa: S314 - our own


def test_a_box_plot_has_its_systems_in_order_and_a_point_for_each_valid_score():
    scores = {"RNN": [1.0, 2.0, 3.0], "MIX": [0.0, 1.0, NAN], "A <b>": [200.0]}
    rows = [(system, f"song {i}", "vocals", x) for system, values in scores.items() for i, x in enumerate(values)]
    songs = pd.DataFrame(rows, columns=["system", "track", "target", "SDR"])
    svg = figures.box_plot(songs, "SDR", "vocals", list(scores), (-5.0, 10.0))
    text = labels(svg)
    assert [label for label in text if label in scores] == list(scores)
    assert {"vocals", "SDR (dB)"} <= set(text)
    assert len(re.findall(r"aria-roledescription=\"point\"", svg)) == 5


@pytest.mark.parametrize(("valid", "best"), [((1.0, 0.6, 0.7), 2), ((NAN, NAN, NAN), None)])
def test_learning_curves_have_the_losses_that_there_are_and_the_best_epoch(valid, best):
    history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [0.9, 0.5, 0.3], "valid_loss": valid})
    svg = figures.learning_curves(history, best)
    assert {"training", "epoch", "loss"} <= set(labels(svg))
    assert ("stroke-dasharray" in svg) is (best is not None)
    assert len(re.findall(r"aria-roledescription=\"point\"", svg)) == (3 if best is None else 6)


@pytest.mark.parametrize("rate", [8000, 96000])
def test_a_tone_is_at_its_frequency_and_a_click_at_its_time(rate):
    highest = min(16000, rate / 2)
    seconds = np.arange(rate * 2) / rate
    for frequency in (110.0, 1000.0, 3000.0):
        levels = figures.level(0.1 * np.sin(2 * np.pi * frequency * seconds)[:, None].astype(np.float32), rate)
        expected = math.log(frequency / figures.LOWEST) / math.log(highest / figures.LOWEST) * len(levels)
        assert abs(int(levels.mean(axis=1).argmax()) + 0.5 - expected) < 3
    assert figures.level(np.ones((7, 1), np.float32), rate).shape == figures.IMAGE[::-1]
    click = np.zeros((2 * rate, 2), np.float32)
    click[3 * rate // 2] = 1
    levels = figures.level(click, rate)
    assert abs(int(levels.mean(axis=0).argmax()) - 0.75 * levels.shape[1]) < 10


def test_spectrogram_lightness_increases_with_level_and_high_frequencies_are_at_the_top():
    levels = np.linspace(-100, 10, 120)[:, None].repeat(4, axis=1).astype(np.float32)
    image = Image.open(io.BytesIO(figures.spectrogram(levels, 0.0)))
    assert image.size == (4, 120)
    grey = np.asarray(image.convert("L"), int)[::-1, 0]
    assert (np.diff(grey) >= 0).all()
    assert grey[0] < 15 and grey[-1] > 230
