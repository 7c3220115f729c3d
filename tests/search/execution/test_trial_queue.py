"""Which trial a worker gets next: a lost one, an enqueued one, an arm, or a new one."""

from __future__ import annotations

import time

import optuna
import pytest
from optuna.trial import Trial, TrialState, create_trial

from search.execution.time_limit import TimeLimit
from search.execution.trial_queue import IdleReason, TrialQueue
from search.presets.files import load_preset
from search.storage.connection import open_storage
from search.study.process_identity import this_process
from search.study.study import open_study
from search.study.trial_record import RECORD_VERSION, TrialRecord
from tests.conftest import PATHS
from tests.search.conftest import URL, write_preset

ARMS = "".join(
    f'\n[[arms]]\nname = "{name}"\nparams = {{ learning_rate = {rate} }}'
    for name, rate in (("slow", 0.2), ("fast", 0.3))
)
GRID = '[sampler]\nname = "grid"'


def opened(more: str = "") -> optuna.Study:
    write_preset(more=more)
    return open_study(open_storage(URL, 60), "tiny", load_preset("tiny", PATHS.presets), 7)


def queue_of(study: optuna.Study, target: int | None = 9, **more) -> TrialQueue:
    return TrialQueue(study, load_preset("tiny", PATHS.presets), target, **more)


def claim(study: optuna.Study, **more) -> TrialRecord:
    """The record of the trial that is claimed."""
    claimed = queue_of(study, **more).next()
    assert isinstance(claimed, Trial)
    return TrialRecord.of(claimed)


def add(study: optuna.Study, state: TrialState, **attributes) -> None:
    study.add_trial(create_trial(state=state, user_attrs=attributes))


def test_a_new_trial_is_this_process_s_and_of_the_next_ordinal(project):
    study = opened()
    add(study, TrialState.PRUNED, ordinal=4)
    record = claim(study)
    assert (record.ordinal, record.worker) == (5, this_process())
    assert (record.arm, record.retry_of, record.version) == (None, None, RECORD_VERSION)
    assert study.trials[1].state == TrialState.RUNNING


def test_arms_come_first_but_for_those_that_were_tried(project):
    study = opened(ARMS)
    add(study, TrialState.PRUNED, arm="slow")
    add(study, TrialState.PRUNED, arm=["fast"])  # added by another program: it names no arm
    assert claim(study).arm == "fast"
    assert claim(study).arm is None


def test_a_lost_trial_is_tried_again_under_its_ordinal_and_with_its_arm(project):
    study = opened(ARMS)
    add(study, TrialState.FAIL, fail_reason="killed", ordinal=3, arm="slow")
    record = claim(study)
    assert (record.ordinal, record.retry_of, record.arm) == (3, 0, "slow")


def test_a_failed_trial_is_tried_again_as_a_new_one(project):
    study = opened()
    add(study, TrialState.FAIL, fail_reason="exception", ordinal=3)
    record = claim(study)
    assert (record.ordinal, record.retry_of) == (4, 0)


def test_a_trial_that_somebody_has_enqueued_is_claimed_with_the_next_ordinal(project):
    study = opened()
    nonsense = {"ordinal": "first", "worker": "me", "arm": 3, "diagnosis": "d"}
    study.enqueue_trial({"dropout": 0.25}, user_attrs=nonsense)
    claimed = queue_of(study).next()
    assert isinstance(claimed, Trial)
    assert claimed.suggest_float("dropout", 0, 0.5) == 0.25
    record = TrialRecord.of(claimed)
    assert (record.ordinal, record.worker, record.version) == (0, this_process(), RECORD_VERSION)


def test_there_are_no_more_trials_than_are_needed(project):
    study = opened()
    add(study, TrialState.PRUNED)
    assert queue_of(study, target=1).next() is IdleReason.DONE
    claim(study, target=2)
    assert queue_of(study, target=2).next() is IdleReason.WAIT


def test_points_of_the_grid_are_counted_whoever_else_has_counted_something(project):
    write_preset(more=GRID)
    path = project / "studies/tiny.toml"
    text = path.read_text().replace("{ low = 0.0, high = 0.5 }", "[0.0, 0.5]")
    path.write_text(text.replace("{ low = 0.15, high = 0.45 }", "[0.2]"))
    study = open_study(open_storage(URL, 60), "tiny", load_preset("tiny", PATHS.presets), 7)
    theirs = create_trial(state=TrialState.PRUNED, system_attrs={"grid_id": "a"})
    study.add_trial(theirs)
    claim(study)
    claim(study)
    assert [t.system_attrs["grid_id"] for t in study.trials] == ["a", 0, 1]
    assert queue_of(study).next() is IdleReason.WAIT


@pytest.mark.parametrize("reason", ["deadly", "exception"])
def test_a_second_failure_is_the_last(project, reason):
    study = opened()
    add(study, TrialState.FAIL, fail_reason="exception")
    add(study, TrialState.FAIL, fail_reason=reason, retry_of=0)
    assert claim(study).retry_of is None


def test_no_trial_is_begun_after_the_deadline_and_none_is_tried_again(project):
    study = opened()
    late = TimeLimit(10, time.time() - 1)
    assert queue_of(study, None, limit=late).next() is IdleReason.OUT_OF_TIME
    add(study, TrialState.FAIL, ordinal=0, fail_reason="killed")
    study.enqueue_trial({"dropout": 0.25})
    assert queue_of(study, None, limit=late).next() is IdleReason.OUT_OF_TIME
    assert claim(study, target=None, limit=TimeLimit.from_now(60)).retry_of == 0
    assert queue_of(study, 0, limit=late).next() is IdleReason.DONE
