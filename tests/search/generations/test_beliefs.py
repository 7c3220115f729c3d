"""Points that are drawn from a belief: near what is believed, and not all of them."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from search.generations import beliefs as module
from search.generations.beliefs import WARM_START_POINT, BeliefDrawer, share_of_beliefs
from search.presets.files import parse_preset
from search.storage.optuna_internals import FIXED_PARAMS

SPACE = {
    "activation": ["relu", "tanh", "gelu", "elu"],
    "filters": [[16, 32], [32, 64]],
    "batch_size": {"low": 100, "high": 1000},
    "dropout": {"low": 0.0, "high": 0.5},
    "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
    "momentum": {"low": 0.0, "high": 0.9, "step": 0.1},
}
ARMS = [
    {"name": "large", "params": {"filters": [32, 64], "learning_rate": 0.05}},
    {"name": "other", "params": {"filters": [16, 32]}},
]


def drawer(prior=None, warm_start=(), share=1.0, seed=1, generation=0, tried=0) -> BeliefDrawer:
    tree = {"space": SPACE, "search": {}, "arms": ARMS}
    tree |= {"prior": prior} if prior else {}
    return BeliefDrawer(
        parse_preset(tree, "x.toml"), warm_start, seed, generation, share, tried=tried
    )


def drawn(count: int, prior=None, **more) -> list[dict]:
    made = drawer(prior, **more)
    return [made.draw()[FIXED_PARAMS] for _ in range(count)]


def test_the_example_runs():
    assert doctest.testmod(module).failed == 0


def test_numbers_are_near_on_the_ranges_own_scale():
    """A spread of .1 of the range of two powers of ten is a fifth of one."""
    believed = {"learning_rate": {"near": 0.1, "spread": 0.1}, "dropout": {"near": 0.25}}
    points = drawn(400, believed)
    rates = np.log10([point["learning_rate"] for point in points])
    assert (rates.mean(), rates.std()) == pytest.approx((-1, 0.2), abs=0.03)
    dropouts = np.array([point["dropout"] for point in points])
    assert (dropouts.mean(), dropouts.std()) == pytest.approx((0.25, 0.075), abs=0.01)
    assert {tuple(point) for point in points} == {("dropout", "learning_rate")}


def test_numbers_stay_in_their_range_without_piling_up_at_its_end():
    rates = [point["learning_rate"] for point in drawn(200, {"learning_rate": 1.0})]
    assert max(rates) <= 1.0
    assert len(set(rates)) == 200
    assert min(rates) < 0.7


def test_whole_numbers_and_steps_are_kept():
    points = drawn(50, {"batch_size": 250, "momentum": 0.9})
    assert {type(point["batch_size"]) for point in points} == {int}
    assert {point["momentum"] for point in points} <= {n * 0.1 for n in range(10)}
    assert len({point["momentum"] for point in points}) > 2


def test_a_believed_choice_is_usually_taken_and_else_any():
    points = drawn(500, {"activation": ["relu", "gelu"], "filters": [32, 64]})
    taken = [point["activation"] for point in points if "activation" in point]
    assert len(taken) / 500 == pytest.approx(0.8, abs=0.05)
    assert taken.count("relu") / len(taken) == pytest.approx(0.5, abs=0.08)
    assert {point.get("filters") for point in points} == {"32-64", None}


def test_near_an_arm_is_near_all_that_it_gives():
    points = drawn(300, {"arms": ["large"], "dropout": {"near": 0.1, "spread": 0.01}})
    near_arm = [point for point in points if "learning_rate" in point]
    assert len(near_arm) / 300 == pytest.approx(0.5, abs=0.1)  # the other half is of the dropout
    assert np.mean([math.log10(p["learning_rate"]) for p in near_arm]) == pytest.approx(
        math.log10(0.05), abs=0.1
    )
    assert {point.get("filters") for point in points} == {"32-64", None}
    assert all(abs(point["dropout"] - 0.1) < 0.05 for point in points)


def test_a_warm_start_is_tried_in_its_order_and_then_what_is_near_it():
    found = [{"dropout": 0.1, "activation": "tanh"}, {"dropout": 0.4}]
    made = drawer(warm_start=found)
    first = [made.draw() for _ in range(3)]
    assert [point[FIXED_PARAMS] for point in first[:2]] == found
    assert [point.get(WARM_START_POINT) for point in first] == [0, 1, None]
    assert 0 < abs(first[2][FIXED_PARAMS]["dropout"] - 0.25) < 0.25
    assert drawer(warm_start=found, tried=1).draw()[FIXED_PARAMS] == found[1]


def test_what_a_warm_start_leaves_out_is_drawn_as_the_prior_says():
    prior = {"learning_rate": {"near": 0.1, "spread": 0.01}}
    points = drawn(20, prior, warm_start=[{"dropout": 0.1}] * 20)
    assert all(point["learning_rate"] == pytest.approx(0.1, rel=0.3) for point in points)
    assert 2 < sum(point.get("dropout") == 0.1 for point in points) < 18


def test_nothing_is_drawn_where_nothing_is_believed():
    made = drawer()
    assert not any(made.is_next() for _ in range(50))


def test_the_share_is_kept_even_where_a_generation_is_a_single_point():
    made = drawer({"dropout": 0.1}, share=0.25)
    assert sum(made.is_next() for _ in range(40)) == 10
    single = [drawer({"dropout": 0.1}, share=0.25, generation=n).is_next() for n in range(200)]
    assert sum(single) / 200 == pytest.approx(0.25, abs=0.08)


def test_a_belief_is_forgotten():
    shares = [share_of_beliefs(0.5, generation) for generation in range(20)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.03


def test_draws_follow_from_seed_and_generation():
    believed = {"dropout": 0.1}
    assert drawn(5, believed) == drawn(5, believed)
    assert drawn(5, believed) != drawn(5, believed, seed=2)
    assert drawn(5, believed) != drawn(5, believed, generation=1)
