"""Figures of the page as SVG and PNG, for light and dark mode.

Plots are Vega-Lite specifications, rendered to SVG by vl-convert, so the page needs no plotting script. Text and axes
are drawn in `currentColor`; the other colours have medium lightness and are visible on white and on black.
"""

import io
import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import vl_convert
from numpy.typing import NDArray
from PIL import Image

from rnnsep.signal.stft import StftParams, stft

COLOURS = ("#2f7de1", "#8b929c", "#e08a1e", "#2ca06b", "#b35fc9", "#d9534f", "#3aa6b9", "#a58a3c")
WIDTH, HEIGHT = 230, 190  # CSS pixels of a plot
LOWEST = 40.0  # Hz, lower edge of a spectrogram
NOISE = 100.0  # dB; scores beyond are rounding noise (e.g. the SAR of the mixture) and are not drawn
RANGE = 70.0  # dB; dynamic range of a spectrogram
IMAGE = (400, 120)  # pixels of a spectrogram (time, frequency)

# black, violet, red, orange, pale yellow: lightness increases, so the palette also works in greyscale
PALETTE = ((0, 8, 4, 20), (64, 74, 16, 106), (128, 176, 47, 92), (192, 246, 120, 52), (255, 252, 245, 190))


def box_plot(songs: pd.DataFrame, metric: str, target: str, systems: list[str], extent: tuple[float, float]) -> str:
    """SVG of the scores of one metric and target: for each system a box plot, and a point per song.

    `songs` has the columns system, track, target and `metric` (dB). `extent` is the range of the vertical axis.
    """
    those = songs[(songs["target"] == target) & (songs[metric].abs() < NOISE)]
    values = [
        {"system": system, "track": track, "score": round(float(score), 5)}
        for system, track, score in zip(those["system"], those["track"], those[metric], strict=True)
    ]
    colour = {"field": "system", "type": "nominal", "scale": _colours(systems), "legend": None}
    x = {"field": "system", "type": "nominal", "sort": systems, "title": None,
         "scale": {"domain": systems}, "axis": {"labelAngle": 0 if len(systems) < 5 else -40}}  # fmt: skip
    y = {"field": "score", "type": "quantitative", "title": f"{metric} (dB)",
         "scale": {"domain": list(extent), "nice": False, "zero": False}}  # fmt: skip
    return _svg(
        {
            "title": target,
            "data": {"values": values},
            "encoding": {"x": x, "y": y, "color": colour},
            "layer": [
                {"mark": {"type": "boxplot", "extent": "min-max", "size": 34}},
                {"mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.55}},
            ],
        },
        WIDTH,
    )


def learning_curves(history: pd.DataFrame, best_epoch: int | None) -> str:
    """SVG of the loss curves. `history` has the columns epoch, train_loss and valid_loss."""
    names = {"valid_loss": "validation", "train_loss": "training"}
    values = [
        {"epoch": int(epoch), "loss": round(float(loss), 6), "songs": names[column]}
        for column in names
        for epoch, loss in zip(history["epoch"], history[column], strict=True)
        if math.isfinite(loss)
    ]
    colour = {"field": "songs", "type": "nominal", "title": None, "scale": _colours(list(names.values()))}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "line", "point": {"size": 16}, "strokeWidth": 2},
            "encoding": {
                "x": {"field": "epoch", "type": "quantitative", "axis": {"tickMinStep": 1}, "scale": {"zero": False}},
                "y": {"field": "loss", "type": "quantitative", "scale": {"zero": False}},
                "color": colour | {"legend": {"orient": "top", "symbolType": "stroke"}},
            },
        }
    ]
    if best_epoch is not None:
        rule = {"type": "rule", "strokeDash": [4, 4], "color": "currentColor", "opacity": 0.5}
        layers.append({"mark": rule, "encoding": {"x": {"datum": best_epoch}}})
    return _svg({"data": {"values": values}, "layer": layers}, 3 * WIDTH // 2)


def _colours(names: list[str]) -> dict[str, list[str]]:
    return {"domain": names, "range": list(itertools.islice(itertools.cycle(COLOURS), len(names)))}


def _svg(spec: dict[str, Any], width: int) -> str:
    axis = {"domainColor": "currentColor", "domainOpacity": 0.5, "tickColor": "currentColor", "tickOpacity": 0.5,
            "labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": "normal",
            "gridColor": "currentColor", "gridOpacity": 0.13}  # fmt: skip
    config = {
        "background": None,
        "font": "sans-serif",
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False},
        "legend": {"labelColor": "currentColor"},
        "title": {"color": "currentColor", "anchor": "start", "fontSize": 13},
        "boxplot": {
            "box": {"fillOpacity": 0.3},
            "median": {"color": "currentColor", "strokeWidth": 2},
            "rule": {"color": "currentColor", "opacity": 0.6},
        },
    }
    svg: str = vl_convert.vegalite_to_svg(
        {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": width, "height": HEIGHT,
         "config": config, **spec}
    )  # fmt: skip
    return svg


def level(audio: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Power spectrogram (dB) of an excerpt (nb_samples, nb_channels) on a logarithmic frequency axis.

    The shape is that of `IMAGE`, transposed: (frequency, time). Frequencies rise from `LOWEST` to 16 kHz or half the
    sample rate, whichever is lower.
    """
    nb_times, nb_pitches = IMAGE
    window = 1 << round(math.log2(rate * 0.06))
    hop = max(1, len(audio) // nb_times)
    params = StftParams(sample_rate=rate, window=window, hop=min(hop, window // 2), channels="stereo", taper="hann")
    power = np.mean(np.abs(stft(audio, params)) ** 2, axis=-1)  # (nb_frames, nb_bins)
    at = np.linspace(0, len(power), nb_times + 1).astype(int)
    power = np.stack([power[a : max(b, a + 1)].mean(axis=0) for a, b in itertools.pairwise(at)])
    edges = np.geomspace(LOWEST, min(16000.0, rate / 2), nb_pitches + 1) * window / rate  # bins
    summed = np.pad(np.cumsum(power, axis=1), ((0, 0), (1, 0)))  # power below each bin's lower edge
    below = np.stack([np.interp(edges, np.arange(summed.shape[1]) - 0.5, row) for row in summed])
    bands = np.diff(below, axis=1) / np.diff(edges)
    return (10 * np.log10(bands.T + 1e-12)).astype(np.float32)


def spectrogram(levels: NDArray[np.float32], top: float) -> bytes:
    """PNG of the output of `level`, brightest at `top` dB, highest frequency in the first row."""
    shades = np.clip((levels[::-1] - top + RANGE) / RANGE, 0, 1) * 255
    image = Image.fromarray(shades.round().astype(np.uint8), mode="L").convert("P")
    stops = np.array(PALETTE, float).T
    colours = [np.interp(np.arange(256), stops[0], channel).round() for channel in stops[1:]]
    image.putpalette(np.stack(colours, axis=1).astype(np.uint8).tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
