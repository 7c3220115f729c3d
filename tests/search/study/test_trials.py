"""What a trial is: lost or failed, in which place, and whether it is tried again."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState

from search.study.trials import failed_to_retry, is_lost, lost_to_retry, ordinals
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


def test_with_a_lag_the_latest_failures_are_not_seen_yet():
    assert failed_to_retry([failed(0), trial(number=1)], last=-1) is None
