"""Static copies of figures: an SVG file for each, or a sentence if there is no browser."""

from __future__ import annotations

import re

import plotly.graph_objects as go
import pytest
from choreographer.errors import ChromeNotFoundError

from studies.page.render import Figure
from studies.page.static_images import write_static_images

FIGURE = Figure("One of them", go.Figure(go.Scatter(x=[1, 2], y=[1, 2])))


def test_a_figure_is_written_on_white_and_an_older_one_removed(tmp_path, started_browser):
    """This needs a browser, which draws the copies."""
    (tmp_path / "old.svg").write_text("")
    assert write_static_images([FIGURE], tmp_path, pytest.fail) == tmp_path
    (image,) = tmp_path.iterdir()
    assert image.name == "one-of-them.svg"
    paper = re.search("fill: ([^;]*)", image.read_text())[1]  # what is drawn first
    assert paper == "rgb(255, 255, 255)"
    assert FIGURE.figure.layout.paper_bgcolor is None


def test_without_a_browser_it_says_so(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ChromeNotFoundError

    monkeypatch.setattr("plotly.io.write_images", fail)
    said: list[str] = []
    assert write_static_images([FIGURE], tmp_path, said.append) is None
    assert said[0].startswith("no copies of the figures: they need Chrome or Chromium (")
