"""A page of figures, tables and tiles as one HTML file that needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from fmnist_model.utils import write_atomically
from studies.figures import ON_DARK, TEMPLATES

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Figure:
    """A figure with its heading, what to see in it, and how wide it is: "whole", "half" or "part".

    On a page with less than `least` pixels for it, it is scrolled sideways.
    """

    title: str
    figure: go.Figure
    caption: str = ""
    width: str = "whole"
    least: int = 0

    @property
    def id(self) -> str:
        """The name of its element, and of its static copies."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Tile:
    """One number that matters, large, and beneath it what it is."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headings, all as text; `numbers` are the columns set flush right.

    With `cards` a row becomes a card of its own where the page is narrow, for rows that hold prose.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    caption: str = ""
    cards: bool = False


@dataclass(frozen=True)
class Thumbnail:
    """A small image, as a data URL, with two lines beneath it."""

    url: str
    title: str
    note: str


@dataclass(frozen=True)
class Section:
    """A part of the page; what it has is shown in the order of its fields.

    `heading` is that of `points`. In `lead`, `points` and `note`, what stands between backticks is
    set as code.
    """

    title: str
    lead: str = ""
    tiles: Sequence[Tile] = ()
    tables: Sequence[Table] = ()
    heading: str = ""
    points: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    pictures: Sequence[Thumbnail] = ()
    note: str = ""


def write_page(path: Path, title: str, subtitle: str, sections: Sequence[Section]) -> None:
    """Write the page to `path`, whole or not at all; every string in it is shown as it stands.

    What a figure's own texts contain is up to it: plotly reads a few tags in them. Its JSON ends no
    script element early, for plotly writes no angle bracket in it.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["coded"] = _coded
    text = environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        plotly=Markup(get_plotlyjs()),
        theme=Markup(json.dumps({"templates": TEMPLATES, "on_dark": ON_DARK})),
        figure_json=lambda figure: Markup(figure.to_json()),
    )
    write_atomically(path, text)


def _coded(text: str) -> Markup:
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
