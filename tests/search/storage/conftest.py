"""A study in each kind of database, and trials with all that a trial can have."""

from __future__ import annotations

import math
from collections.abc import Iterable

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from search.storage.connection import open_storage
from search.storage.optuna_internals import storage_of, trial_id

SPACE = {
    "rate": FloatDistribution(0.01, 1.0, log=True),
    "units": IntDistribution(8, 64, step=8),
    "filters": CategoricalDistribution(["32-64", "16", None]),
}


@pytest.fixture
def study(url) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=open_storage(url), study_name="s", direction="maximize")


def fill(study: optuna.Study) -> None:
    """Add trials in every state, with all that a trial can have."""
    for value in (0.5, math.inf, -math.inf):
        trial = study.ask(SPACE)
        for step, reported in enumerate((0.25, math.nan, value), 1):
            trial.report(reported, step)
        trial.set_user_attr("history", {"loss": [1.5, None], "name": "ä"})
        storage_of(study).set_trial_system_attr(trial_id(trial), "completed_rung_0", value)
        study.tell(trial, value)
    pruned = study.ask(SPACE)
    pruned.report(0.1, 1)
    study.tell(pruned, state=TrialState.PRUNED)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.enqueue_trial({"rate": 0.5}, user_attrs={"arm": "a"})
    study.ask(SPACE)  # takes what was enqueued
    study.enqueue_trial({"rate": 0.25})


def facts(trials: Iterable[FrozenTrial]) -> list[str]:
    """All that the trials hold; attributes come in no order, and NaN is to equal itself."""
    return [
        repr({key: sorted(v.items()) if "attrs" in key else v for key, v in vars(trial).items()})
        for trial in trials
    ]
