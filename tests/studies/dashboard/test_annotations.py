"""The dashboard's notes and curves, for trials that any program has made."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from search.storage.optuna_internals import study_system_attrs
from search.study.winner import winner
from studies.dashboard.annotations import _best_line, annotate, artifact_store, curve_svg
from studies.dashboard.dashboard_internals import read_note
from tests.conftest import PATHS
from tests.search.in_budgets import PRESET, SimulatedSearch, store_search
from tests.search.several_objectives import store_search_for_both
from tests.studies.conftest import many, one_of_each, store


def notes(study) -> dict[int | None, str]:
    """The notes without their signature by trial number; the study's own has the key None."""
    kept = study_system_attrs(study)
    trials = {None: None} | {trial.number: trial for trial in study.trials}
    found = {number: read_note(kept, trial) for number, trial in trials.items()}
    return {number: body.split("\n\n*Written by")[0] for number, body in found.items() if body}


DEAD = {"kind": "dead_layer", "message": "why", "layer": "conv1", "epoch": 1, "step": 3}


@pytest.mark.parametrize(
    ("attributes", "note"),
    [
        (
            {"stop_reason": "stuck", "diagnosis": DEAD},
            "**stuck**: dead\\_layer in `conv1` since epoch 1, step 3\n\nwhy",
        ),
        ({"stop_reason": "stuck"}, "**stuck**: no diagnosis was recorded"),
        ({"stop_reason": "diverged", "diagnosis": 3}, "**diverged**: no diagnosis was recorded"),
        ({"stop_reason": "stuck", "diagnosis": {"kind": "<b>"}}, "**stuck**: \\<b\\>"),
        ({"stop_reason": "bored"}, None),
    ],
)
def test_a_note_says_what_is_known(project, attributes, note):
    made = create_trial(state=TrialState.PRUNED, user_attrs=attributes)
    study = store([made], memory=True)
    annotate(study, artifact_store(PATHS.artifacts), print)
    assert notes(study).get(0) == note


@pytest.mark.parametrize(
    ("attributes", "note"),
    [
        ({"error": "E: no"}, "**failed**: E: no"),
        ({"error": {"a": 1}}, "**failed**: no reason was recorded"),
        ({"diagnosis": DEAD}, "**failed**: no reason was recorded"),
    ],
)
def test_a_failed_trial_says_why(project, attributes, note):
    study = store([create_trial(state=TrialState.FAIL, user_attrs=attributes)], memory=True)
    annotate(study, artifact_store(PATHS.artifacts), print)
    assert notes(study)[0] == note


def test_the_study_s_note_ranks_a_trial_that_was_added_by_hand(project):
    study = store([*one_of_each(), create_trial(value=0.99)], memory=True)
    annotate(study, artifact_store(PATHS.artifacts), print)
    assert "Best: **0.9900**, trial 5" in notes(study)[None]


def test_the_note_of_a_search_in_budgets_says_what_its_best_rests_on(project):
    study = store_search()
    annotate(study, artifact_store(PATHS.artifacts), print)
    said = notes(study)
    assert "Best: configuration 21, trial 26: expected accuracy **0.9" in said[None]
    assert "4 seeds of 10 epochs" in said[None]
    assert said[15].endswith("configuration 15, new, 1 epoch")
    figures = " ".join(map(str, study_system_attrs(study)))
    assert "history-by-budget" in figures
    assert "race" in figures


def test_the_note_of_a_search_for_several_objectives_has_the_front(project):
    study = store_search_for_both()
    annotate(study, artifact_store(PATHS.artifacts), print)
    assert r"Pareto front of accuracy, parameters and latency\_ms: " in notes(study)[None]
    figures = " ".join(map(str, study_system_attrs(study)))
    assert "accuracy-and-parameters" in figures
    assert "accuracy-and-latency-ms" in figures


def test_many_trials_are_announced(project):
    said = []
    annotate(store(many(101), memory=True), artifact_store(PATHS.artifacts), said.append)
    assert said == ["writing the notes and curves of 101 trials of paper"]


def test_a_study_that_is_not_ours_is_left_as_it_is(project):
    theirs = optuna.create_study(direction="maximize")
    theirs.add_trial(create_trial(value=0.5))
    annotate(theirs, artifact_store(PATHS.artifacts), print)
    assert notes(theirs) == {}


def test_a_curve_leaves_out_what_is_not_finite():
    steps = {1: 0.1, 2: float("nan"), 3: float("inf"), 40000: 0.3}
    drawn = curve_svg(create_trial(state=TrialState.PRUNED, intermediate_values=steps))
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert "trial -1: pruned" in drawn


def test_one_epoch_is_not_called_1_epochs():
    best = winner(SimulatedSearch().trials, PRESET)
    short = best._replace(standing=replace(best.standing, budget=1))
    assert " of 1 epoch)" in _best_line(short)
