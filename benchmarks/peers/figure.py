"""The picture of `benchmarks.search`: best validation accuracy so far against time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from studies.figures.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, styled

STYLES = {
    "a": (BLUE, "solid", 4),
    "b": (GREY, "solid", 2),
    "c": (ORANGE, "dash", 2),
    "d": (ORANGE, "solid", 2),
    "e": (PURPLE, "solid", 2),
    "f": (PURPLE, "dash", 2),
    "g": (GREEN, "dot", 2),
    "h": (BLUE, "dash", 4),
}
POINTS = 200
LOWEST = 0.6
"""Where the axis of accuracies begins; lower values are a matter of the first few epochs."""
Row = dict[str, Any]


def anytime(rows: Sequence[Row], times: Any) -> Any:
    """The best accuracy seen by each of these times: median over the searches, NaN until all of
    them have ended an epoch, and after the last of them has ended."""
    seen = np.full((len(rows), len(times)), np.nan)
    for place, row in enumerate(rows):
        seconds, best = np.array(row["curve"]).T
        index = np.searchsorted(seconds, times, side="right") - 1
        seen[place, index >= 0] = best[index[index >= 0]]
    middle = np.median(seen, axis=0)
    middle[times > max(row["seconds"] for row in rows)] = np.nan
    return middle


def figure(rows: Sequence[Row]) -> go.Figure:
    """One line for each arm, on a logarithmic axis of time."""
    arms = sorted({row["arm"] for row in rows})
    starts = min(row["curve"][0][0] for row in rows)
    times = np.geomspace(max(starts, 0.1), max(row["seconds"] for row in rows), POINTS)
    drawn = go.Figure()
    for arm in arms:
        colour, dash, width = STYLES[arm[1]]
        drawn.add_scatter(
            x=times,
            y=anytime([row for row in rows if row["arm"] == arm], times),
            name=arm,
            mode="lines",
            line={"color": colour, "dash": dash, "width": width, "shape": "hv"},
        )
    styled(drawn, height=460)
    ticks = [seconds for power in range(6) for seconds in (10**power, 3 * 10**power)]
    drawn.update_xaxes(type="log", title="seconds of search", tickvals=ticks)
    drawn.update_yaxes(title="best validation accuracy so far", tickformat=".2f")
    best = max(accuracy for row in rows for _, accuracy in row["curve"])
    drawn.update_yaxes(range=[min(LOWEST, best - 0.1), best + 0.01])
    return drawn


def draw(rows: Sequence[Row], path: Path, say: Callable[[str], Any]) -> Path | None:
    """Write the figure as SVG. Without a browser to draw it: say so, and return None."""
    from choreographer.errors import BrowserFailedError, ChromeNotFoundError

    drawn = figure(rows).update_layout(paper_bgcolor="white", plot_bgcolor="white")
    try:
        drawn.write_image(path, width=900)
    except (BrowserFailedError, ChromeNotFoundError, RuntimeError) as error:
        say(f"no picture: it needs Chrome or Chromium ({str(error).strip().splitlines()[0]})")
        return None
    return path
