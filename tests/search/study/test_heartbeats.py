"""A trial that sends no heartbeat for two intervals is stale, whatever the clocks say."""

from __future__ import annotations

import time

import pytest
from optuna.trial import Trial, TrialState, create_trial

from search.presets.files import load_preset
from search.storage.connection import open_storage
from search.storage.optuna_internals import storage_of, study_id
from search.storage.rdb import backend
from search.study import heartbeats
from search.study.heartbeats import (
    HeartbeatListener,
    sending_heartbeats,
    stale_by_database_clock,
)
from search.study.study import open_study
from tests.conftest import PATHS

INTERVAL = 2
"""Seconds."""


@pytest.fixture
def study(tiny, url):
    return open_study(open_storage(url, INTERVAL), "tiny", load_preset("tiny", PATHS.presets), 0)


def begin(study) -> int:
    """Let a trial run that sends no heartbeats by itself; its id."""
    running = create_trial(state=TrialState.RUNNING)
    return storage_of(study).create_new_trial(study_id(study), running)


class Clock:
    """A monotonic clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(heartbeats, "time", clock)
    return clock


def test_a_trial_is_stale_after_two_intervals_without_a_heartbeat(study, clock):
    trial_id = begin(study)
    backend(study).record_heartbeat(trial_id)
    listener = HeartbeatListener(study)
    stale = []
    for _ in range(7):  # each reading counts for half an interval at most
        stale.append(listener.stale())
        clock.now += INTERVAL / 2
    assert stale == [set()] * 6 + [{trial_id}] or stale == [set()] * 5 + [{trial_id}] * 2


def test_that_this_process_was_suspended_makes_no_trial_stale(study, clock):
    trial_id = begin(study)
    backend(study).record_heartbeat(trial_id)
    listener = HeartbeatListener(study)
    listener.stale()
    clock.now += 1000
    assert listener.stale() == set()


def test_a_trial_that_never_sent_one_is_not_stale(study, clock):
    begin(study)
    listener = HeartbeatListener(study)
    for _ in range(10):
        assert listener.stale() == set()
        clock.now += INTERVAL


def test_heartbeats_are_sent_while_the_block_runs(study):
    trial_id = begin(study)
    with sending_heartbeats(Trial(study, trial_id), 0.05):
        deadline = time.monotonic() + 30
        while not backend(study).last_heartbeats(study_id(study)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert set(backend(study).last_heartbeats(study_id(study))) == {trial_id}
    assert stale_by_database_clock(study) == set()
