"""The look of figures: light and dark, and endings that differ in both colour and shape."""

from __future__ import annotations

from dataclasses import fields

import plotly.graph_objects as go
import pytest

from search.study.trials import TrialCounts
from studies.figures.theme import MARKS, TEMPLATES, epoch_axis, styled


def test_every_ending_of_a_trial_has_a_colour_and_a_shape_of_its_own():
    ways = {field.name for field in fields(TrialCounts)} - {"lost", "running", "waiting"}
    assert set(MARKS) == ways
    assert len({mark.colour for mark in MARKS.values()}) == len(MARKS)
    assert len({mark.symbol for mark in MARKS.values()}) == len(MARKS)


def test_light_and_dark_differ_in_colours_alone():
    light, dark = (TEMPLATES[scheme]["layout"] for scheme in ("light", "dark"))
    assert light["font"]["color"] != dark["font"]["color"]
    assert light["margin"] == dark["margin"]
    assert light["colorway"] == dark["colorway"]


def test_a_legend_has_room_where_there_is_one():
    assert styled(go.Figure(), legend=True).layout.margin.t > 30
    assert styled(go.Figure(), legend=False).layout.margin.t < 30


@pytest.mark.parametrize(("epochs", "step"), [(3, 1), (10, 1), (11, 2), (100, 10), (5000, 500)])
def test_epochs_have_few_whole_ticks(epochs, step):
    assert epoch_axis(go.Figure(), epochs).layout.xaxis.dtick == step
