"""The table of trials: what is known of each trial, whichever program made it."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from studies.figures.trial_frame import (
    OUTCOME_COLUMNS,
    escaped,
    last_value,
    parameter_column,
    trial_span,
    trial_table,
)
from tests.studies.conftest import BEGAN, one_of_each, trial


def row(made) -> pd.Series:
    return trial_table([made]).iloc[0]


def test_a_row_for_each_trial_that_has_ended_by_itself():
    lost = create_trial(state=TrialState.FAIL, user_attrs={"fail_reason": "killed"})
    table = trial_table([*one_of_each(), lost, create_trial(state=TrialState.RUNNING)])
    assert table["ending"].to_list() == ["completed", "stuck", "pruned", "diverged", "failed"]
    assert list(table.columns)[-len(OUTCOME_COLUMNS) :] == list(OUTCOME_COLUMNS)
    assert table["worker"][0] == "here:1"


def test_of_a_trial_that_was_added_by_hand_there_is_its_value_alone():
    space = {"rate": FloatDistribution(0, 1)}
    found = row(create_trial(value=0.5, params={"rate": 0.1}, distributions=space))
    assert (found["ending"], found["value"], found["rate"]) == ("completed", 0.5, 0.1)
    unknown = set(OUTCOME_COLUMNS) - {"ending", "value", "started", "ended"}
    assert found[list(unknown)].isna().all()


@pytest.mark.parametrize(
    "attributes",
    [
        {"stop_reason": "bored", "diagnosis": "dead", "worker": "me", "epochs_run": "many"},
        {"diagnosis": {"message": "no kind"}, "worker": {"host": "h"}, "seed": -1},
        {"train_seconds": float("nan"), "steps_run": -3, "device": 3, "error": ["E"], "arm": {}},
    ],
)
def test_of_a_malformed_record_nothing_is_known(attributes):
    found = row(create_trial(state=TrialState.PRUNED, user_attrs=attributes))
    assert found["ending"] == "pruned"
    unknown = set(OUTCOME_COLUMNS) - {"ending", "started", "ended"}
    assert found[list(unknown)].isna().all()


def test_a_hyperparameter_that_has_the_name_of_an_outcome_has_a_column_of_its_own():
    space = {"value": FloatDistribution(0, 9), "trial": CategoricalDistribution(["a"])}
    params = {"value": 3.0, "trial": "a"}
    found = row(create_trial(value=0.5, params=params, distributions=space))
    assert (found["value"], found["params_value"]) == (0.5, 3.0)
    assert (found["trial"], found["params_trial"]) == (-1, "a")
    assert parameter_column("dropout") == "dropout"


@pytest.mark.parametrize(
    ("value", "steps", "expected"),
    [
        (0.5, {1: 0.4}, 0.5),
        (None, {1: 0.4, 3: 0.6, 2: 0.5}, 0.6),
        (None, {}, None),
        (None, {1: float("nan")}, None),
        (float("inf"), {1: 0.4}, None),
    ],
)
def test_the_last_value_is_one_that_is_finite(value, steps, expected):
    state = TrialState.PRUNED if value is None else TrialState.COMPLETE
    assert last_value(create_trial(state=state, value=value, intermediate_values=steps)) == expected


@pytest.mark.parametrize(("seconds", "lasted"), [(50.0, 50), ("long", 0), (float("nan"), 0)])
def test_where_the_clock_was_set_back_a_trial_lasted_as_long_as_it_trained(seconds, lasted):
    made = trial("completed", [0.5])
    made.datetime_complete = BEGAN - timedelta(hours=1)
    made.user_attrs["train_seconds"] = seconds
    assert trial_span(made) == (BEGAN, BEGAN + timedelta(seconds=lasted))


def test_markup_is_made_harmless_in_names_and_texts():
    safe = escaped(pd.DataFrame({"<b>": ["<i>", 1]}))
    assert safe.to_dict("list") == {"&lt;b&gt;": ["&lt;i&gt;", 1]}
