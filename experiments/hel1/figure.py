"""The hypotheses in the plane of SIR and SAR, as SVG."""

from collections.abc import Iterable
from typing import Any

import vl_convert

from experiments.hel1.fingerprint import SOURCES
from experiments.hel1.table import Row

COLOURS = {"random weights": "#2f7de1", "defects of andabi": "#2ca06b", "mistakes after training": "#e08a1e"}
SARS = [-6, 15]  # dB; points beyond are left out
GREY = "#808080"  # visible on white and on black


def plane(rows: Iterable[Row]) -> str:
    """SVG with a panel per source: SIR and SAR of each hypothesis by colour of its group, HEL1 as a cross."""
    points = []
    for row in rows:
        if row.group in COLOURS or row.name == "HEL1":
            _, _, sirs, sars = row.medians.round(3).tolist()
            for source, sir, sar in zip(SOURCES, sirs, sars, strict=True):
                points.append({"name": row.name, "group": row.group, "source": source, "SIR": sir, "SAR": sar})
    x = {"field": "SIR", "type": "quantitative", "title": "SIR (dB)", "scale": {"zero": False}}
    y = {"field": "SAR", "type": "quantitative", "title": "SAR (dB)", "scale": {"domain": SARS}}
    colour = {"field": "group", "type": "nominal", "title": None, "legend": {"orient": "top"},
              "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())}}  # fmt: skip
    hel1 = {"filter": {"field": "name", "equal": "HEL1"}}
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": {"field": "group", "oneOf": list(COLOURS)}}],
            "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.75, "clip": True},
            "encoding": {"x": x, "y": y, "color": colour},
        },
        {
            "transform": [hel1],
            "mark": {"type": "point", "shape": "cross", "filled": True, "size": 130, "color": "#d9534f"},
            "encoding": {"x": x, "y": y},
        },
        {
            "transform": [hel1],
            "mark": {"type": "text", "dx": 8, "dy": -8, "align": "left", "color": "#d9534f", "fontWeight": "bold"},
            "encoding": {"x": x, "y": y, "text": {"field": "name"}},
        },
    ]
    axis = {"domainColor": GREY, "tickColor": GREY, "labelColor": GREY, "titleColor": GREY, "gridColor": GREY,
            "gridOpacity": 0.2, "titleFontWeight": "normal"}  # fmt: skip
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": points},
        "facet": {"field": "source", "type": "nominal", "title": None, "sort": list(SOURCES)},
        "columns": 2,
        "spec": {"width": 300, "height": 200, "layer": layers},
        "config": {
            "background": None, "font": "sans-serif", "view": {"stroke": None}, "axis": axis,
            "legend": {"labelColor": GREY}, "header": {"labelColor": GREY, "labelFontSize": 13},
        },
    }  # fmt: skip
    svg: str = vl_convert.vegalite_to_svg(spec)
    return svg
