"""Each preset's sampler: Optuna's, seeded for one trial."""

from __future__ import annotations

import optuna
import pytest
from optuna import samplers

from search.algorithms.optuna_samplers import OrdinalQMCSampler, StatelessCmaEsSampler
from search.algorithms.samplers import (
    make_sampler,
    plain_sampler,
    quasi_random_sampler,
    run_seed,
    trial_seeds,
)
from search.presets.files import parse_preset
from search.study.trial_record import TrialRecord

KINDS = {
    "tpe": samplers.TPESampler,
    "random": samplers.RandomSampler,
    "grid": samplers.GridSampler,
    "qmc": OrdinalQMCSampler,
    "cmaes": StatelessCmaEsSampler,
}


def preset(sampler: str):
    rates = {"choices": [0.1, 0.2, 0.3]} if sampler == "grid" else {"low": 0.1, "high": 0.9}
    return parse_preset({"space": {"dropout": rates}, "sampler": {"name": sampler}}, "test")


def proposed(sampler: str, seed: int, ordinal: int) -> float:
    """What is drawn for one trial of a study that has no other."""
    study = optuna.create_study(sampler=make_sampler(preset(sampler), seed, ordinal))
    queued = optuna.create_trial(
        state=optuna.trial.TrialState.WAITING,
        user_attrs=dict(TrialRecord.of_claim(ordinal).attributes),
    )
    study.add_trial(queued)
    return study.ask().suggest_float("dropout", 0.1, 0.9)


@pytest.mark.parametrize("name", KINDS)
def test_a_name_is_a_sampler_of_optunas(name):
    assert isinstance(make_sampler(preset(name), 0, 0).inner, KINDS[name])


@pytest.mark.parametrize("name", ["tpe", "random", "cmaes"])
def test_the_same_seed_and_ordinal_draw_the_same(name):
    assert proposed(name, 7, 3) == proposed(name, 7, 3)
    assert len({proposed(name, 7, 3), proposed(name, 7, 4), proposed(name, 8, 3)}) == 3


def test_seeds_are_below_two_to_the_31():
    seeds = {seed for ordinal in range(50) for seed in trial_seeds(648, ordinal)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_run_has_the_seed_of_its_configuration_and_replicate():
    assert run_seed(648, 7, 0) == trial_seeds(648, 7)[1]
    seeds = {run_seed(648, one, replicate) for one in range(20) for replicate in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert run_seed(648, 7, 3) != run_seed(649, 7, 3)


def test_in_memory_tpe_takes_what_runs_for_bad():
    """Or it would propose much the same again and again."""
    study = optuna.create_study(direction="maximize")
    for place in range(30):
        study.add_trial(
            optuna.create_trial(
                value=-abs(place - 20),
                params={"dropout": 0.1 + place * 0.8 / 29},
                distributions={"dropout": optuna.distributions.FloatDistribution(0.1, 0.9)},
            )
        )
    study.sampler = plain_sampler(preset("tpe"), 0, 3)
    asked = [study.ask().suggest_float("dropout", 0.1, 0.9) for _ in range(12)]
    assert len({round(value, 2) for value in asked}) >= 8


def test_a_point_of_the_sequence_is_the_same_whatever_the_study_holds():
    study = optuna.create_study()
    found = []
    for point in (3, 5, 3):
        study.sampler = quasi_random_sampler(preset("tpe"), 1, point)
        trial = study.ask()
        found.append(trial.suggest_float("dropout", 0.1, 0.9))
        study.tell(trial, 0.5)
    assert found[0] == found[2] != found[1]
