"""The page itself, and that the tests' own checks of a page find faults in its figures."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest

from studies.figures.theme import styled
from studies.page.render import Figure, Section, Table, Tile, write_page
from tests.studies.browser import clipped, cramped, marks, overlaps, show


def shown(browser, tmp_path, *sections: Section, width: int = 1280) -> None:
    page = tmp_path / "page.html"
    write_page(page, "A page", "", sections)
    show(browser, page, width)


def one(figure: go.Figure) -> Section:
    return Section("One", figures=[Figure("It", styled(figure))])


EMPTY = {
    "nothing": go.Figure(go.Scatter(x=[], y=[], mode="markers")),
    "no number": go.Figure(go.Scatter(x=[1, 2], y=[None, None], mode="lines+markers")),
    "out of range": go.Figure(go.Scatter(x=[1], y=[1]), {"xaxis": {"range": [5, 6]}}),
    "bars of nothing": go.Figure(go.Bar(x=["a", "b"], y=[0, 0])),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_figure_is_seen_to_be_empty(browser, tmp_path, name):
    shown(browser, tmp_path, one(EMPTY[name]))
    assert marks(browser) == {"it": 0}


def test_marks_are_counted(browser, tmp_path):
    shown(browser, tmp_path, one(go.Figure(go.Scatter(x=[1, 2], y=[1, 2], mode="lines+markers"))))
    assert marks(browser) == {"it": 3}


def test_a_text_that_is_cut_off_is_seen(browser, tmp_path):
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2]))
    figure.update_yaxes(automargin=False, tickvals=[1], ticktext=["a text that begins outside"])
    shown(browser, tmp_path, one(figure))
    assert clipped(browser) == [["it", "a text that begins outside"]]


def test_a_figure_without_room_is_seen(browser, tmp_path):
    figure = styled(go.Figure(go.Scatter(x=[1], y=[1])), height=100)
    shown(browser, tmp_path, Section("One", figures=[Figure("It", figure)]), width=400)
    assert cramped(browser) == ["it"]


def test_labels_that_run_into_each_other_are_seen(browser, tmp_path):
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2]))
    figure.update_xaxes(tickvals=[1.50, 1.51], ticktext=["one label", "another"], tickangle=0)
    shown(browser, tmp_path, one(figure))
    assert overlaps(browser) == [["it", "one label", "another"]]


def test_code_stands_between_backticks_and_all_else_as_it_is(browser, tmp_path):
    section = Section("One", "say `make <b>` & <i>not</i>", [Tile("<u>1</u>", "tile")])
    shown(browser, tmp_path, section)
    assert browser.execute_script("return document.querySelector('code').innerText") == "make <b>"
    text = browser.execute_script("return document.body.innerText")
    assert "say make <b> & <i>not</i>" in text
    assert "<u>1</u>" in text


def test_rows_become_cards_on_a_narrow_page(browser, tmp_path):
    rows = [["ReLU", "because " * 20]]
    section = Section("One", tables=[Table(("claim", "why"), rows, cards=True)])
    head = "return document.querySelector('thead').getBoundingClientRect().height"
    shown(browser, tmp_path, section)
    assert browser.execute_script(head) > 0
    shown(browser, tmp_path, section, width=400)
    assert browser.execute_script(head) == 0
    said = "return getComputedStyle(document.querySelector('td'), '::before').content"
    assert browser.execute_script(said) == '"claim"'


def test_a_figure_that_needs_room_is_scrolled(browser, tmp_path):
    figure = Figure("It", styled(go.Figure(go.Scatter(x=[1, 2], y=[1, 2]))), min_pixels=900)
    shown(browser, tmp_path, Section("One", figures=[figure]), width=400)
    size = (
        "const p = document.querySelector('.plot svg'); return [p.getBoundingClientRect().width, "
    )
    drawn, page = browser.execute_script(f"{size} document.documentElement.scrollWidth]")
    assert drawn == 900
    assert page <= 400
