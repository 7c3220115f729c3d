"""Writes static copies of figures, which Chrome or Chromium draws if it is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import plotly.io

from studies.page.render import Figure

WIDTH = 900


def write_static_images(
    figures: Sequence[Figure], folder: Path, say: Callable[[str], None]
) -> Path | None:
    """Write each figure as an SVG file in the light theme, on white.

    Files of figures that no longer exist are removed from `folder`. `say` reports why no files
    could be written.

    Returns:
        The folder, or None if no browser could draw the figures.
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
