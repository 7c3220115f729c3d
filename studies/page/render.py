"""Writes a page of figures, tables and tiles as a single HTML file, which needs no network."""

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

TEMPLATE_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Figure:
    """A figure on a page.

    Args:
        title: The heading.
        figure: What to draw.
        caption: What the figure shows.
        width: The share of the page's width: "whole", "half" or "part".
        min_pixels: The least width; on a narrower page the figure can be scrolled sideways.
    """

    title: str
    figure: go.Figure
    caption: str = ""
    width: str = "whole"
    min_pixels: int = 0

    @property
    def id(self) -> str:
        """The id of the figure's HTML element, and the name of its static copy."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Tile:
    """One important number, shown large, with a label and a note beneath it."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Args:
        head: The headings of the columns.
        rows: The rows, each as long as `head`.
        numbers: The indices of the columns that are aligned on the right.
        caption: The caption.
        cards: Whether each row becomes a card on a narrow page, which suits rows that contain
            prose.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    caption: str = ""
    cards: bool = False


@dataclass(frozen=True)
class Thumbnail:
    """A small image, given as a data URL, with a title and a note beneath it."""

    url: str
    title: str
    note: str


@dataclass(frozen=True)
class Section:
    """A section of the page, whose contents are shown in the order of these fields.

    `points` is a list of sentences with the heading `heading`. In `lead`, `points` and `note`, text
    between backticks is shown as code.
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
    """Write the page to `path`, completely or not at all. All strings are escaped.

    The texts inside a figure are the exception: the caller has to escape them, because plotly
    interprets a few HTML tags in them. A figure's JSON cannot end its script element early, because
    plotly writes no angle brackets into it.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = _with_code_spans
    text = environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        plotly=Markup(get_plotlyjs()),
        theme=Markup(json.dumps({"templates": TEMPLATES, "on_dark": ON_DARK})),
        figure_json=lambda figure: Markup(figure.to_json()),
    )
    write_atomically(path, text)


def _with_code_spans(text: str) -> Markup:
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
