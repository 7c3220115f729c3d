"""Trials whose worker is gone are failed; of which it is known that they kill it, for good."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from optuna.trial import TrialState, create_trial

from search.presets.files import load_preset
from search.storage.connection import open_storage
from search.storage.optuna_internals import storage_of, study_id
from search.storage.transactions import study_lock
from search.study.lost_trials import fail_lost_trials, fail_trials_of_process
from search.study.process_identity import ProcessIdentity, this_process
from search.study.study import open_study
from search.study.trial_record import TrialRecord
from search.study.trials import ending
from tests.conftest import PATHS
from tests.search.conftest import URL

GONE = replace(this_process(), pid=2**22 + 1)
ELSEWHERE = replace(this_process(), host="elsewhere")


@pytest.fixture
def study(tiny, url):
    return open_study(open_storage(url, 60), "tiny", load_preset("tiny", PATHS.presets), 0)


def run(study, worker: ProcessIdentity | None, retry_of: int | None = None) -> int:
    """Let a trial run in a process; its id."""
    record = TrialRecord.of_claim(0, worker, retry_of=retry_of)
    running = create_trial(state=TrialState.RUNNING, user_attrs=dict(record.attributes))
    return storage_of(study).create_new_trial(study_id(study), running)


def fail(study, reason="killed", stale=(), pool=None) -> bool:
    with study_lock(study):
        return fail_lost_trials(study, study.get_trials(), reason, stale, pool)


def reasons(study) -> list[str | None]:
    return [TrialRecord.of(trial).fail_reason for trial in study.trials]


def test_only_the_trial_whose_process_is_gone_is_lost(study):
    for worker in (GONE, this_process(), ELSEWHERE, None):
        run(study, worker)
    assert fail(study)
    assert [ending(trial) for trial in study.trials] == ["lost", *["running"] * 3]
    assert TrialRecord.of(study.trials[0]).error == "its worker was killed"
    assert not fail(study)


def test_a_stale_trial_is_lost_wherever_it_runs(study):
    trial_id = run(study, ELSEWHERE)
    assert fail(study, stale={trial_id})
    assert TrialRecord.of(study.trials[0]).error == "its worker was not heard of any more"


def test_what_a_pool_has_started_is_left_to_it(study):
    run(study, replace(GONE, parent=77))
    assert not fail(study, pool=77)
    assert fail(study, pool=78)


@pytest.mark.parametrize(("in_flight", "reason"), [(1, "killed"), (3, "interrupted")])
def test_of_several_trials_of_one_worker_none_is_blamed(study, in_flight, reason):
    """A population's worker has many; the one that killed it cannot be told from the others."""
    for _ in range(in_flight):
        run(study, GONE)
    assert fail(study)
    assert reasons(study) == [reason] * in_flight


def test_a_trial_that_lost_two_workers_has_failed(study):
    run(study, GONE)
    fail(study)
    run(study, GONE, retry_of=0)
    fail(study, reason="interrupted")
    run(study, GONE, retry_of=1)
    fail(study)
    assert reasons(study) == ["killed", "interrupted", "deadly"]
    assert [ending(trial) for trial in study.trials] == ["lost", "lost", "failed"]
    error = TrialRecord.of(study.trials[2]).error
    assert error == "twice: its worker was killed, and then was killed"


def test_the_trials_of_a_process_of_this_machine_are_failed_with_how_it_ended(study):
    run(study, replace(this_process(), pid=55))
    run(study, replace(this_process(), pid=56))
    run(study, replace(ELSEWHERE, pid=55))
    assert socket.gethostname() == this_process().host
    fail_trials_of_process(study, 55, "ended with 3")
    assert reasons(study) == ["killed", None, None]
    assert TrialRecord.of(study.trials[0]).error == "its worker ended with 3"


@pytest.mark.parametrize("retry_of", [7, 0, "x", [0], -1, True])
def test_another_try_of_no_earlier_trial_is_a_first_try(tiny, retry_of):
    """As another program may have written it."""
    study = open_study(open_storage(URL, 60), "tiny", load_preset("tiny", PATHS.presets), 0)
    attributes = {"worker": GONE.to_dict(), "retry_of": retry_of}
    made = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
    storage_of(study).create_new_trial(study_id(study), made)
    fail(study)
    assert reasons(study) == ["killed"]
