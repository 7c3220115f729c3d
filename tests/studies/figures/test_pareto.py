"""The data of the figure of accuracy against a further objective."""

from __future__ import annotations

import pytest

from search.study.winner import winner
from studies.figures.pareto import draw_front, front_data
from studies.figures.trial_frame import MEASURE_COLUMNS, trial_table
from tests.search.in_budgets import PRESET, SimulatedSearch
from tests.search.several_objectives import BOTH, SearchForBoth, preset


@pytest.fixture(scope="module")
def trials():
    return SearchForBoth(preset(BOTH)).trials


def best_of(trials, **objective):
    return winner(trials, preset(BOTH | objective))


def test_every_configuration_has_a_point_in_its_group(trials):
    best = best_of(trials)
    data = front_data(best, "parameters")
    assert data.title == "parameters (weights)"
    assert data.points["mean"].to_list() == [one.mean for one in best.standings]
    assert data.points["value"].to_list() == [one.parameters for one in best.standings]
    counts = data.points["group"].value_counts().to_dict()
    assert counts["chosen"] == 1
    assert counts["front"] == len(best.front) - 1
    assert counts["dominated"] == len(best.standings) - len(best.front) > 0
    (chosen,) = data.points.loc[data.points["group"] == "chosen", "text"]
    assert chosen.startswith(f"configuration {best.standing.configuration}: ")
    assert chosen.endswith(" weights")


def test_with_one_further_objective_the_line_is_the_front(trials):
    best = best_of(trials, minimize=["parameters"])
    line = front_data(best, "parameters").line
    assert sorted(line["mean"]) == sorted(one.mean for one in best.front)
    assert line["value"].is_monotonic_increasing
    assert line["mean"].is_monotonic_increasing


def test_what_was_not_measured_is_left_out():
    plain = winner(SimulatedSearch().trials, PRESET)
    data = front_data(plain, "latency_ms")
    assert data.points.empty
    assert len(draw_front(data).data) == 1  # the line, of no points
    assert len(front_data(plain, "parameters").points) == len(plain.standings)


def test_sizes_of_several_orders_of_magnitude_have_a_logarithmic_axis(trials):
    best = best_of(trials)
    drawn = {m: draw_front(front_data(best, m)) for m in ("parameters", "latency_ms")}
    assert drawn["parameters"].layout.xaxis.type == "log"
    assert drawn["latency_ms"].layout.xaxis.type is None
    names = [trace.name for trace in drawn["parameters"].data]
    assert names[1:] == ["dominated", "Pareto front", "chosen"]


def test_the_table_of_trials_has_columns_for_what_was_measured(trials):
    table = trial_table(trials)
    assert list(table.columns)[-len(MEASURE_COLUMNS) :] == list(MEASURE_COLUMNS)
    in_full = table["budget"] == 10
    assert table.loc[in_full, "latency_ms"].notna().all()
    assert table.loc[~in_full, "latency_ms"].isna().all()
    assert set(MEASURE_COLUMNS).isdisjoint(trial_table(SimulatedSearch().trials).columns)
