"""What new configurations a generation tries, with each sampler."""

from __future__ import annotations

from importlib.util import find_spec

import optuna
import pytest

from search.generations.beliefs import BELIEVED_SHARE
from search.generations.proposals import (
    InfeasibleError,
    Strategy,
    check_feasible,
    filled_in,
    propose,
)
from search.presets.files import parse_preset
from tests.search.generations.runs import GRID, end_all, preset
from tests.search.several_objectives import preset as several, size_of

SAMPLERS = ["tpe", "random", "qmc", "cmaes", "grid"]
ARMS = [
    {"name": "whole", "params": {"dropout": 0.25, "learning_rate": 0.1}},
    {"name": "part", "params": {"learning_rate": 0.2}},
]


@pytest.fixture(autouse=True)
def quiet_optuna():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def generations(made, count: int, size: int = 6, seed: int = 1, strategy: Strategy = Strategy()):  # noqa: B008
    """The new configurations of several generations, and their runs."""
    runs, planned = [], []
    for generation in range(count):
        new = propose(made, seed, generation, runs, size, len(runs), strategy)
        runs += end_all(new, generation, len(runs))
        planned.append(new)
    return planned, runs


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_proposals_follow_from_seed_and_runs_and_differ(sampler):
    made = preset(sampler)
    planned, _ = generations(made, 3, size=2 if sampler == "grid" else 6)
    assert planned == generations(made, 3, size=2 if sampler == "grid" else 6)[0]
    other = generations(made, 3, size=2 if sampler == "grid" else 6, seed=2)[0]
    assert planned != other
    points = [tuple(run.params.items()) for new in planned for run in new]
    assert len(set(points)) == len(points)


def test_configurations_are_numbered_on_at_the_smallest_budget():
    new = propose(preset(budgets=(2, 8)), 1, 0, [], 3, first_ordinal=5)
    assert [run.key for run in new] == [(5, 2, 0), (6, 2, 0), (7, 2, 0)]
    assert {run.role for run in new} == {"new"}


def test_arms_come_first_and_what_they_leave_out_is_drawn():
    made = preset(arms=ARMS)
    new = propose(made, 1, 0, [], 2, 0)
    assert [run.arm for run in new] == ["whole", "part", None, None]
    assert new[0].params == {"dropout": 0.25, "learning_rate": 0.1}
    assert new[1].params["learning_rate"] == 0.2
    assert 0 <= new[1].params["dropout"] <= 0.5
    one = end_all(new[:1], 0, 0)
    assert [run.arm for run in propose(made, 1, 1, one, 1, 1)] == ["part", None]


def test_the_first_points_fill_the_space_evenly():
    """Of eight points of a Sobol' sequence one lies in each eighth of every range."""
    (new,), _ = generations(preset(space={"dropout": {"low": 0.0, "high": 0.5}}), 1, size=8)
    assert sorted(int(run.params["dropout"] * 16) for run in new) == list(range(8))


def test_half_of_the_later_ones_go_on_with_the_sequence():
    _, runs = generations(preset(), 3, size=4)
    drawn = [run.system_attrs.get("qmc_point") for run in runs]
    assert drawn == [0, 1, 2, 3, None, 4, None, 5, None, 6, None, 7]
    _, runs = generations(preset(), 6, size=1)
    assert [run.system_attrs.get("qmc_point") for run in runs] == [0, 1, None, 2, None, 3]
    everything, none = Strategy(random_share=1.0), Strategy(random_share=0.0)
    _, runs = generations(preset(), 2, size=4, strategy=everything)
    assert [run.system_attrs.get("qmc_point") for run in runs] == list(range(8))
    _, runs = generations(preset(), 2, size=4, strategy=none)
    assert [run.system_attrs.get("qmc_point") for run in runs] == [0, 1, 2, 3, *[None] * 4]


def test_tpe_learns():
    """Of points of its own that follow on thirty others, most have less dropout than the middle."""
    _, runs = generations(preset(), 5, size=6)
    new = propose(preset(), 1, 5, runs, 12, 30, Strategy(random_share=0.0))
    assert sum(run.params["dropout"] < 0.25 for run in new) >= 9


def test_nothing_is_learnt_while_nothing_has_completed():
    new = propose(preset(), 1, 0, [], 4, 0)
    stuck = end_all(new, 0, 0, value=lambda _: None)
    later = propose(preset(), 1, 1, stuck, 4, 4)
    assert [run.system_attrs["qmc_point"] for run in later] == [4, 5, 6, 7]


def test_cma_es_finds_its_generations_again():
    planned, runs = generations(preset("cmaes"), 6, size=8, strategy=Strategy(random_share=0.0))
    marks = [{*run.system_attrs.values()} for run in planned[-1]]
    assert any(mark and max(mark) > 0 for mark in marks)
    blank = [run.__class__(**{**vars(run), "system_attrs": {}}) for run in runs]
    assert propose(preset("cmaes"), 1, 6, runs, 8, 48) != propose(
        preset("cmaes"), 1, 6, blank, 8, 48
    )


def test_a_grid_ends():
    points = len(GRID["dropout"]) * len(GRID["momentum"])
    planned, _ = generations(preset("grid"), 3, size=4)
    assert [len(new) for new in planned] == [4, points - 4, 0]
    seen = {(run.params["dropout"], run.params["momentum"]) for new in planned for run in new}
    assert len(seen) == points


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_gaussian_processes_propose_points_that_differ():
    planned, _ = generations(preset("gp"), 2, size=6, strategy=Strategy(random_share=0.0))
    assert len({tuple(run.params.items()) for run in planned[1]}) == 6


def test_what_is_given_is_filled_in():
    made = preset()
    found = filled_in(made, 1, 7, {"dropout": 0.125})
    assert found["dropout"] == 0.125
    assert 0.01 <= found["learning_rate"] <= 1
    assert found == filled_in(made, 1, 7, {"dropout": 0.125})
    assert found != filled_in(made, 1, 8, {"dropout": 0.125})


# Constraints that are known before training


def small(sampler: str, limit: int, **more):
    return several({"constraints": [f"parameters <= {limit}"]}, sampler, **more)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_network_is_larger_than_allowed(sampler):
    made = small(sampler, 60_000 if sampler not in ("grid", "cmaes") else 450_000)
    free = several(None, sampler)
    sizes, of_free = (
        [size_of(each, run.params) for run in generations(each, 4, size=3)[1]]
        for each in (made, free)
    )
    assert max(sizes) <= made.objective.limits[0].limit < max(of_free)
    if sampler != "grid":
        assert len(sizes) == len(of_free) == 12
    assert generations(made, 4, size=3)[0] == generations(made, 4, size=3)[0]


def test_a_grid_leaves_out_what_is_too_large():
    made, free = small("grid", 450_000), several(None, "grid")
    of_free, allowed = (
        {size_of(each, run.params) for run in generations(each, 4, size=3)[1]}
        for each in (free, made)
    )
    assert allowed == {size for size in of_free if size <= 450_000} != of_free


def test_where_few_points_are_small_enough_they_are_drawn_at_random():
    made = small("tpe", 8_500)  # one in 25
    new = propose(made, 1, 0, [], 4, 0)
    assert {(run.params["filters"], run.params["dense_units"]) for run in new} == {("4-8", 16)}
    assert len({run.params["dropout"] for run in new}) == 4


def test_a_space_without_a_small_network_is_said_in_one_sentence():
    said = "the space has no network that meets parameters <= 99, as far as 1,000 draws show"
    made = small("random", 99)
    for asked in (lambda: check_feasible(made), lambda: propose(made, 1, 0, [], 1, 0)):
        with pytest.raises(InfeasibleError, match=said):
            asked()
    check_feasible(small("random", 8_500))
    check_feasible(several(None))


def test_what_an_arm_leaves_out_is_drawn_until_it_is_small_enough():
    arms = [{"name": "narrow", "params": {"dense_units": 16}}]
    made = small("tpe", 60_000, arms=arms)
    new = [propose(made, seed, 0, [], 0, 0)[0] for seed in range(8)]
    assert {run.arm for run in new} == {"narrow"}
    assert max(size_of(made, run.params) for run in new) <= 60_000
    arms = [{"name": "wide", "params": {"dense_units": 256, "filters": [64, 128]}}]
    with pytest.raises(InfeasibleError, match=r"arms\.wide has no network that meets parameters"):
        check_feasible(small("tpe", 60_000, arms=arms))


def test_what_is_believed_is_no_larger_than_allowed():
    """Of a warm start what is too large is passed over."""
    made = small("tpe", 60_000, prior={"dense_units": [16, 256]})
    sizes = [size_of(made, run.params) for run in propose(made, 1, 0, [], 40, 0)]
    assert max(sizes) <= 60_000
    large = {"filters": "64-128", "dense_units": 256, "dropout": 0.1, "learning_rate": 0.1}
    allowed = {**large, "filters": "4-8", "dense_units": 16}
    new = propose(made, 1, 0, [], 8, 0, warm_start=[large, allowed, large])
    assert [r.params for r in new if "warm_start_point" in r.system_attrs] == [allowed]
    assert max(size_of(made, run.params) for run in new) <= 60_000
    only_large = propose(small("tpe", 60_000), 1, 0, [], 8, 0, warm_start=[large])
    assert len(only_large) == 8
    assert max(size_of(made, run.params) for run in only_large) <= 60_000


def test_configurations_that_cannot_be_are_left_to_their_trials():
    """Three convolutions of kernel 5 leave nothing of an image, which a space cannot know."""
    space = {"kernel_size": [3, 5], "filters": [[4, 4], [4, 4, 4]]}
    made = several({"constraints": ["parameters <= 99999"]}, space=space, model={})
    new = propose(made, 1, 0, [], 40, 0)
    assert any(run.params == {"kernel_size": 5, "filters": "4-4-4"} for run in new)


# What is believed


def with_prior(sampler: str):
    tree = preset(sampler).identity()
    near = {"near": 0.25, "spread": 0.001}
    return parse_preset({**tree, "prior": {"dropout": near}}, "x.toml")


def is_believed(run) -> bool:
    return abs(run.params["dropout"] - 0.25) < 0.005


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes"])
def test_some_of_the_first_points_are_believed_and_later_fewer(sampler):
    planned, _ = generations(with_prior(sampler), 4, size=16)
    believed = [sum(map(is_believed, new)) for new in planned]
    assert believed[0] == 16 * BELIEVED_SHARE
    assert max(believed[2:]) < believed[0] / 2
    assert planned == generations(with_prior(sampler), 4, size=16)[0]


def test_beliefs_take_no_points_from_the_model_nor_from_the_sequence():
    _, runs = generations(with_prior("tpe"), 3, size=8)
    points = [run.system_attrs["qmc_point"] for run in runs if "qmc_point" in run.system_attrs]
    assert points == list(range(len(points)))
    modelled = [r for r in runs[8:] if "qmc_point" not in r.system_attrs and not is_believed(r)]
    assert len(modelled) == 8  # half of two generations


def test_what_is_not_believed_is_drawn_from_all_of_its_range():
    new = propose(with_prior("tpe"), 1, 0, [], 40, 0)
    rates = [run.params["learning_rate"] for run in new if is_believed(run)]
    assert min(rates) < 0.05
    assert max(rates) > 0.2


def test_a_warm_start_is_gone_on_with_in_the_next_generation():
    found = [{"dropout": n / 100, "learning_rate": 0.1} for n in range(10)]
    runs = []
    for generation in range(3):
        new = propose(preset(), 1, generation, runs, 8, len(runs), Strategy(), found)
        runs += end_all(new, generation, len(runs))
    tried = [run.params for run in runs if "warm_start_point" in run.system_attrs]
    assert len(tried) > 3  # the first generation tries 3
    assert tried == found[: len(tried)]


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_gaussian_processes_take_beliefs():
    planned, _ = generations(with_prior("gp"), 2, size=8)
    assert sum(map(is_believed, planned[0])) == 8 * BELIEVED_SHARE
