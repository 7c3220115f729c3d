"""The look of all figures: colours that colour-blind people can tell apart, on light and dark
pages."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import plotly.graph_objects as go

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#8C959F",
)
"""The palette of Okabe and Ito without yellow and black, which cannot be seen on a light or a dark
page respectively."""
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY)
SCALE_LOW, SCALE_HIGH = "#F3EBDD", "#003F66"
SCALE = [[0.0, SCALE_LOW], [0.5, SKY], [1.0, SCALE_HIGH]]
"""A scale from low to high values; it darkens steadily, so that it can be read without hues."""
ON_DARK = {BLUE: "#3D9BDB", SCALE_LOW: "#20272F", SCALE_HIGH: "#E6F4FD"}
"""What replaces a colour on a dark page: there blue would be too dim, and the scale has to brighten
instead."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


class Mark(NamedTuple):
    """How trials with one ending are drawn: each has its own colour and symbol; bars have
    `pattern`."""

    colour: str
    symbol: str
    pattern: str = ""


MARKS = {
    "completed": Mark(BLUE, "circle"),
    "pruned": Mark(GREY, "circle-open"),
    "stuck": Mark(ORANGE, "square"),
    "diverged": Mark(PURPLE, "diamond", "/"),
    "failed": Mark(RED, "x", "x"),
}
MARKS_EXPLAINED = "dots completed, rings pruned, squares stuck, diamonds diverged, crosses failed"


def _template(text: str, grid: str, surface: str) -> dict[str, Any]:
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": grid,
        "automargin": True,
        "exponentformat": "power",
        "title": {"standoff": 8},
    }
    return {
        "layout": {
            "font": {"family": FONT, "size": 13, "color": text},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(PALETTE),
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"bgcolor": surface, "font": {"color": text}, "align": "left"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "margin": {"l": 8, "r": 12, "t": 36, "b": 8},
        }
    }


TEMPLATES = {
    "light": _template("#1F2328", "#E3E6EA", "#FFFFFF"),
    "dark": _template("#E6E8EB", "#363C45", "#1B2027"),
}
NEUTRAL_TEMPLATE = _template("#7B838D", "rgba(128, 128, 128, 0.3)", "#FFFFFF")
"""For optuna-dashboard, which shows the same figure on its light and its dark pages."""


def styled(figure: go.Figure, height: int = 360, legend: bool = True) -> go.Figure:
    """The figure in the light theme, without a title, which the page adds.

    `height` is in pixels; `legend` says whether to show one. The figure itself is changed.
    """
    return figure.update_layout(
        template=TEMPLATES["light"],
        title=None,
        height=height,
        showlegend=legend,
        margin={"t": 36 if legend else 12},
        paper_bgcolor=None,
        plot_bgcolor=None,
    )


def epoch_axis(figure: go.Figure, epochs: float) -> go.Figure:
    """Title the horizontal axes "epoch", with ticks at whole epochs only, about ten at most."""
    tens = 10 ** max(0, math.ceil(math.log10(max(epochs, 1))) - 2)
    step = next(step for step in (1, 2, 5, 10, 20) if epochs / (tens * step) <= 10) * tens
    return figure.update_xaxes(title="epoch", tick0=0 if step > 1 else 1, dtick=step)
