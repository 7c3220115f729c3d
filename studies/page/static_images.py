"""Static copies of figures, drawn by a Chrome or Chromium if the machine has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import plotly.io

from studies.page.render import Figure

WIDTH = 900


def write_static_images(
    figures: Sequence[Figure], folder: Path, say: Callable[[str], None]
) -> Path | None:
    """Write an SVG of each figure, light, on white; return the folder, or None without a browser.

    Copies of figures that there are no more are removed.
    """
    from choreographer.errors import BrowserFailedError, ChromeNotFoundError

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{figure.id}.svg" for figure in figures]
    for old in set(folder.glob("*.svg")) - set(files):
        old.unlink()
    try:
        plotly.io.write_images([_on_white(figure) for figure in figures], files, width=WIDTH)
    except (BrowserFailedError, ChromeNotFoundError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "it did not start"
        say(f"no copies of the figures: they need Chrome or Chromium ({reason})")
        return None
    return folder


def _on_white(figure: Figure) -> object:
    copy = type(figure.figure)(figure.figure)
    return copy.update_layout(paper_bgcolor="white", plot_bgcolor="white")
