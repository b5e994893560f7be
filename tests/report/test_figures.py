"""Figures: content, colours and reproducible bytes."""

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


def songs(scores):
    rows = [(system, f"song {i}", "vocals", x) for system, values in scores.items() for i, x in enumerate(values)]
    return pd.DataFrame(rows, columns=["system", "track", "target", "SDR"])


def box_plot(scores):
    return figures.box_plot(songs(scores), "SDR", "vocals", list(scores), (-5.0, 10.0))


def labels(svg):
    return [element.text for element in ET.fromstring(svg).iter() if element.tag.endswith("text")]  # noqa: S314 - our own


def test_box_plot_labels_systems_in_order():
    text = labels(box_plot({"RNN": [1.0, 2.0, 3.0], "MIX": [0.0, 1.0, NAN], "A <b>": [9.0]}))
    assert [label for label in text if label in ("RNN", "MIX", "A <b>")] == ["RNN", "MIX", "A <b>"]
    assert "vocals" in text
    assert "SDR (dB)" in text


def test_box_plot_draws_each_valid_song_once():
    svg = box_plot({"RNN": [1.0, 2.0, 3.0], "MIX": [0.0, NAN, 1.0], "LOUD": [200.0]})
    assert len(re.findall(r"aria-roledescription=\"point\"", svg)) == 5


def test_plots_are_drawn_in_the_pages_text_colour():
    for svg in (box_plot({"RNN": [1.0, 2.0]}), figures.learning_curves(history(), 2)):
        assert "currentColor" in svg
        assert not re.search(r'(fill|stroke)="(black|white|#000|#fff)', svg)


def history(valid=(1.0, 0.6, 0.7)):
    return pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [0.9, 0.5, 0.3], "valid_loss": valid})


def test_learning_curves_have_both_losses_and_the_best_epoch():
    svg = figures.learning_curves(history(), 2)
    assert {"training", "validation", "epoch", "loss"} <= set(labels(svg))
    assert "stroke-dasharray" in svg
    assert "stroke-dasharray" not in figures.learning_curves(history(), None)


def test_learning_curves_of_a_run_without_validation():
    assert "training" in labels(figures.learning_curves(history(valid=(NAN, NAN, NAN)), None))


def test_bytes_of_figures_are_reproducible():
    assert box_plot({"RNN": [1.0, 2.0]}) == box_plot({"RNN": [1.0, 2.0]})
    assert figures.learning_curves(history(), 2) == figures.learning_curves(history(), 2)
    levels = figures.level(np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32), 8000)
    assert figures.spectrogram(levels, 0.0) == figures.spectrogram(levels, 0.0)


@pytest.mark.parametrize("rate", [8000, 22050, 96000])
@pytest.mark.parametrize("frequency", [110.0, 1000.0, 3000.0])
def test_a_tone_is_at_the_height_of_its_frequency(rate, frequency):
    seconds = np.arange(rate * 2) / rate
    levels = figures.level(0.1 * np.sin(2 * np.pi * frequency * seconds)[:, None].astype(np.float32), rate)
    assert levels.shape == figures.IMAGE[::-1]
    highest = min(16000, rate / 2)
    expected = math.log(frequency / figures.LOWEST) / math.log(highest / figures.LOWEST) * len(levels)
    assert abs(int(levels.mean(axis=1).argmax()) + 0.5 - expected) < 3


def test_a_click_is_at_its_time():
    audio = np.zeros((16000, 2), np.float32)
    audio[12000] = 1
    levels = figures.level(audio, 16000)
    assert abs(int(levels.mean(axis=0).argmax()) - 0.75 * levels.shape[1]) < 10


@pytest.mark.parametrize("nb_samples", [1, 7, 500])
def test_very_short_excerpts_have_a_spectrogram(nb_samples):
    assert figures.level(np.ones((nb_samples, 1), np.float32), 44100).shape == figures.IMAGE[::-1]


def test_spectrogram_lightness_increases_with_level_and_high_frequencies_are_at_the_top():
    levels = np.linspace(-100, 10, 120)[:, None].repeat(4, axis=1).astype(np.float32)
    image = Image.open(io.BytesIO(figures.spectrogram(levels, 0.0)))
    assert image.size == (4, 120)
    grey = np.asarray(image.convert("L"), int)[::-1, 0]
    assert (np.diff(grey) >= 0).all()
    assert grey[0] < 15
    assert grey[-1] > 230
