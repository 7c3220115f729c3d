"""Each preset's pruner: Optuna's, which does not see lost trials."""

from __future__ import annotations

import optuna
import pytest
from optuna import pruners
from optuna.trial import TrialState, create_trial

from search.algorithms.pruners import make_pruner
from search.presets.files import parse_preset
from search.study.trial_record import TrialRecord

KINDS = {
    "successive_halving": pruners.SuccessiveHalvingPruner,
    "hyperband": pruners.HyperbandPruner,
    "median": pruners.MedianPruner,
    "none": pruners.NopPruner,
}


def preset(pruner: str):
    tree = {"space": {"dropout": {"low": 0.0, "high": 0.5}}, "pruner": {"name": pruner}}
    return parse_preset(tree, "test")


@pytest.mark.parametrize("name", KINDS)
def test_a_name_is_a_pruner_of_optunas(name):
    assert isinstance(make_pruner(preset(name)).inner, KINDS[name])


def test_a_search_in_budgets_has_none():
    tree = {"space": {"dropout": {"low": 0.0, "high": 0.5}}, "search": {}}
    assert isinstance(make_pruner(parse_preset(tree, "test")).inner, pruners.NopPruner)


@pytest.mark.parametrize("killed", [False, True])
def test_a_lost_trial_is_no_peer(killed):
    """Five better trials prune the sixth, unless they were lost."""
    study = optuna.create_study(direction="maximize", pruner=make_pruner(preset("median")))
    for number in range(5):
        ended = {"state": TrialState.FAIL} if killed else {"value": 0.9}
        attributes = (
            dict(TrialRecord.of_failure("killed").attributes)
            if killed
            else dict(TrialRecord.of_claim(number).attributes)
        )
        study.add_trial(create_trial(**ended, intermediate_values={1: 0.9}, user_attrs=attributes))
    trial = study.ask()
    trial.report(0.1, 1)
    assert trial.should_prune() is not killed
