"""What a trial is: how it ended, its ordinal and rank, and whether it is tried again."""

from __future__ import annotations

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.study.trials import (
    TrialCounts,
    all_failed_to_retry,
    best_trials,
    count_trials,
    earlier_try,
    ending,
    failed_to_retry,
    failure,
    is_lost,
    lost_to_retry,
    next_ordinal,
    objective_value,
    ordinals,
)
from tests.search.conftest import trial


def lost(number: int, **user_attrs) -> FrozenTrial:
    return trial(TrialState.FAIL, number=number, fail_reason="killed", **user_attrs)


def failed(number: int, **user_attrs) -> FrozenTrial:
    return trial(TrialState.FAIL, number=number, fail_reason="exception", **user_attrs)


def test_ordinals_skip_the_lost():
    trials = [trial(number=0), lost(1), failed(2), trial(number=3)]
    assert ordinals(trials) == {0: 0, 2: 1, 3: 2}


def test_a_second_try_has_the_ordinal_of_the_first():
    trials = [lost(0, ordinal=0), trial(number=1, ordinal=1), trial(number=2, ordinal=0)]
    assert ordinals(trials) == {1: 1, 2: 0}


def test_what_waits_in_the_queue_has_no_ordinal_yet():
    assert ordinals([trial(number=0), trial(TrialState.WAITING, number=1)]) == {0: 0}


def test_a_trial_that_ended_while_it_was_taken_for_lost_is_not_lost():
    assert not is_lost(trial(TrialState.COMPLETE, 0.5, fail_reason="killed"))


def test_each_lost_trial_is_tried_again_until_it_ends():
    first, again = lost(0), lost(1, retry_of=0)
    assert lost_to_retry([first]) is first
    assert lost_to_retry([first, again]) is again
    done = trial(TrialState.COMPLETE, 0.5, number=2, retry_of=1)
    assert lost_to_retry([first, again, done]) is None


def test_each_failed_trial_is_tried_again_once_however_often_it_is_lost():
    first, killed, again = failed(0), lost(1, retry_of=0), failed(2, retry_of=1)
    assert failed_to_retry([first], last=0) is first
    assert failed_to_retry([first, killed], last=9) is None
    assert lost_to_retry([first, killed]) is killed
    assert failed_to_retry([first, killed, again], last=9) is None
    then_failed = failed(1, retry_of=0)
    assert failed_to_retry([lost(0), then_failed], last=9) is then_failed


def test_all_that_failed_are_tried_again():
    trials = [failed(0), failed(1), failed(2, retry_of=1), trial(number=3), failed(4)]
    assert [one.number for one in all_failed_to_retry(trials, last=9)] == [0, 4]
    assert failed_to_retry(trials, last=9) is trials[0]


def test_with_a_lag_the_latest_failures_are_not_seen_yet():
    assert failed_to_retry([failed(0), trial(number=1)], last=-1) is None


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (trial(TrialState.COMPLETE, 0.8), "completed"),
        (trial(TrialState.COMPLETE, 0.8, stop_reason="stuck"), "completed"),
        (trial(stop_reason="pruned"), "pruned"),
        (trial(stop_reason="stuck"), "stuck"),
        (trial(stop_reason="diverged"), "diverged"),
        (trial(), "pruned"),
        (trial(stop_reason="bored"), "pruned"),
        (trial(stop_reason=["stuck"]), "pruned"),
        (trial(diagnosis={"kind": "dead_output"}), "pruned"),
        (trial(TrialState.FAIL, fail_reason="exception"), "failed"),
        (trial(TrialState.FAIL, fail_reason="deadly"), "failed"),
        (trial(TrialState.FAIL), "failed"),
        (trial(TrialState.FAIL, fail_reason="tired"), "failed"),
        (trial(TrialState.FAIL, fail_reason={"killed": 1}), "failed"),
        (trial(TrialState.FAIL, fail_reason="killed"), "lost"),
        (trial(TrialState.FAIL, fail_reason="interrupted"), "lost"),
        (trial(TrialState.RUNNING), "running"),
        (trial(TrialState.WAITING), "waiting"),
    ],
)
def test_every_ending_has_its_word_whoever_made_the_trial(made, word):
    assert ending(made) == word
    assert getattr(count_trials([made]), word) == 1


def test_only_what_ended_by_itself_counts():
    assert TrialCounts(completed=1, pruned=2, stuck=3, diverged=4, failed=5, lost=6).finished == 10


def test_the_earlier_of_equals_is_best():
    trials = [trial(TrialState.COMPLETE, v, number=n) for n, v in enumerate((0.5, 0.9, 0.9))]
    assert [t.number for t in best_trials(trials, 2)] == [1, 2]


def test_a_value_that_is_not_finite_is_not_ranked():
    values = (float("inf"), 0.5, float("-inf"), 93.2)
    trials = [trial(TrialState.COMPLETE, v, number=n) for n, v in enumerate(values)]
    assert [t.number for t in best_trials(trials, 9)] == [3, 1]
    assert objective_value(trials[0]) is None
    assert objective_value(trial(TrialState.PRUNED, 0.5)) is None


@pytest.mark.parametrize("ordinal", ["first", -4, 1.5, True, [1], None])
def test_a_trial_of_no_ordinal_counts_on_from_the_highest(ordinal):
    trials = [trial(number=0, ordinal=5), trial(number=1, ordinal=ordinal), trial(number=2)]
    assert ordinals(trials) == {0: 5, 1: 6, 2: 7}
    assert next_ordinal(trials) == 8
    assert next_ordinal([]) == 0


@pytest.mark.parametrize("retry_of", [1, 2, 99, -1, "0", [0], 10**9])
def test_what_names_no_earlier_trial_is_no_other_try(retry_of):
    trials = [failed(0), failed(1, retry_of=retry_of)]
    assert earlier_try(trials[1], trials) is None
    assert failed_to_retry(trials, last=9) is trials[0]
    assert lost_to_retry([lost(0), lost(1, retry_of=retry_of)]).number == 0


def test_why_a_trial_failed_is_one_line():
    assert failure(failed(0, error="E: no")) == "E: no"
    assert failure(failed(0, error={"a": 1})) == failure(failed(0)) == "no reason was recorded"
