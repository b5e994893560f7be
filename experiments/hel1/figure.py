"""HEL1 among simulated submissions, as SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert

from experiments.hel1.measures import Comparison
from experiments.hel1.simulation import Weights

COLOURS: dict[Weights, str] = {"new for each song": "#2f7de1", "same for all songs": "#e08a1e"}
GREY, RED = "#808080", "#d9534f"  # visible on white and on black


def strips(panels: Mapping[str, Mapping[Weights, Comparison]]) -> str:
    """SVG with a panel per measure: simulated submissions as lines, by what their weights are, and HEL1 in red."""
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "vconcat": [_panel(title, compared) for title, compared in panels.items()],
        "config": {
            "background": None, "font": "sans-serif", "view": {"stroke": None},
            "axis": {"domainColor": GREY, "tickColor": GREY, "labelColor": GREY, "titleColor": GREY, "gridColor": GREY,
                     "gridOpacity": 0.2, "titleFontWeight": "normal", "labelLimit": 200},
        },
    }  # fmt: skip
    svg: str = vl_convert.vegalite_to_svg(spec)
    return svg


def _panel(title: str, compared: Mapping[Weights, Comparison]) -> dict[str, Any]:
    x = {"field": "value", "type": "quantitative", "title": title, "scale": {"zero": False}}
    y = {"field": "weights", "type": "nominal", "title": None, "sort": list(COLOURS)}
    colour = {"field": "weights", "type": "nominal", "legend": None,
              "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())}}  # fmt: skip
    hel1 = [{"weights": weights, "value": round(one.observed, 3)} for weights, one in compared.items()]
    return {
        "width": 520,
        "height": 70,
        "layer": [
            {
                "data": {"values": _simulated(compared)},
                "mark": {"type": "tick", "thickness": 1.5, "opacity": 0.45, "size": 22},
                "encoding": {"x": x, "y": y, "color": colour},
            },
            {
                "data": {"values": hel1},
                "mark": {"type": "tick", "thickness": 3, "size": 30, "color": RED},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": hel1[:1]},
                "mark": {"type": "text", "text": "HEL1", "baseline": "bottom", "color": RED, "fontWeight": "bold"},
                "encoding": {"x": x, "y": {"value": 0}},
            },
        ],
    }


def _simulated(compared: Mapping[Weights, Comparison]) -> Sequence[Mapping[str, Any]]:
    return [
        {"weights": weights, "value": round(float(value), 3)}
        for weights, one in compared.items()
        for value in one.simulated[:64]
    ]
