"""The study as samplers and pruners see it: without lost trials, and no later than a lag allows."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.algorithms.study_view import renumbered, visible_study
from search.storage.optuna_internals import RELATIVE_PARAMS, storage_of, trial_id
from search.study.trial_record import TrialRecord


@pytest.fixture
def study() -> optuna.Study:
    """Trial 1 was lost, so that the trials 0, 2, 3 and 4 have the ordinals 0 to 3; 4 runs."""
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(value=0.0, user_attrs=dict(TrialRecord.of_claim(0).attributes)))
    study.add_trial(
        create_trial(
            state=TrialState.FAIL, user_attrs=dict(TrialRecord.of_failure("killed").attributes)
        )
    )
    for ordinal in (1, 2):
        study.add_trial(
            create_trial(
                value=ordinal / 10, user_attrs=dict(TrialRecord.of_claim(ordinal).attributes)
            )
        )
    study.add_trial(
        create_trial(state=TrialState.RUNNING, user_attrs=dict(TrialRecord.of_claim(3).attributes))
    )
    return study


def seen(study: optuna.Study, trial: FrozenTrial, lag: int | None) -> list[tuple]:
    visible, ordinal = visible_study(study, trial, lag)
    assert ordinal == TrialRecord.of(trial).ordinal
    return [(shown.number, shown.value) for shown in visible.trials if shown.number != ordinal]


def test_lost_trials_are_absent_and_numbers_are_ordinals(study):
    assert seen(study, study.trials[4], None) == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("lag", "count"), [(1, 3), (2, 2), (3, 1), (4, 0)])
def test_with_a_lag_the_latest_trials_are_absent(study, lag, count):
    assert len(seen(study, study.trials[4], lag)) == count


def test_trials_can_be_chosen_by_state(study):
    visible, _ = visible_study(study, study.trials[4], None)
    running = visible.get_trials(states=(TrialState.RUNNING,))
    assert [trial.number for trial in running] == [3]
    assert visible.best_value == 0.2


def test_parameters_that_were_just_drawn_are_not_stored(study):
    """All else that a sampler stores is."""
    visible, _ = visible_study(study, study.trials[4], None)
    key = trial_id(study.trials[4])
    storage_of(visible).set_trial_system_attr(key, f"tpe{RELATIVE_PARAMS}0", "{}")
    storage_of(visible).set_trial_system_attr(key, "cma:generation", 1)
    assert study.trials[4].system_attrs == {"cma:generation": 1}


def test_another_number_is_a_copy(study):
    trial = study.trials[4]
    assert renumbered(trial, 4) is trial
    assert renumbered(trial, 3).number == 3
    assert trial.number == 4
