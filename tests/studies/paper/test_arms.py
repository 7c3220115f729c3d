"""The paper's arms, and the plan of their runs."""

from __future__ import annotations

from studies.paper.arms import arm_runs, comparison, sweep_runs
from tests.conftest import PATHS


def test_the_plan_has_every_arm_rate_and_seed_once():
    arms, rates = arm_runs(range(10)), sweep_runs(range(10))
    assert len(set(arms)) == len(arms) == 50
    assert len(set(rates)) == len(rates) == 120
    assert not set(arms) & set(rates)
    assert {run.learning_rate for run in rates} == {0.15, 0.25, 0.3, 0.35, 0.4, 0.45}


def test_the_arms_are_those_of_the_paper():
    models = comparison(PATHS).arms
    assert [m.output_activation for m in models.values()].count("relu") == 2
    assert {m.architecture for m in models.values()} == {"cnn", "mlp"}
