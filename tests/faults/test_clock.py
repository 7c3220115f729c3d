"""A worker whose clock was set back by a day: heartbeats go by the database's clock."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from search.objective import WORKER
from search.trials import RETRY_OF, ending, tally
from tests.faults.conftest import write_replay
from tests.faults.test_workers import running, start, suspend_between_transactions, wait_until
from tests.search.conftest import load


@pytest.fixture(scope="module")
def yesterday() -> dict[str, str]:
    """The environment of a process that lives yesterday."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        pytest.skip("libfaketime is not installed (Debian's package is faketime)")
    return {"LD_PRELOAD": str(found), "FAKETIME": "-1d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def at_work(worker: subprocess.Popen[str], name: str, url: str) -> bool:
    trials = running(name, url)
    return any(t.user_attrs[WORKER]["pid"] == worker.pid and t.intermediate_values for t in trials)


def test_its_trial_is_not_taken_for_lost(replayed, postgres_url, yesterday):
    write_replay("heartbeat = 3")
    back = start("back", 2, postgres_url, 2.5, **yesterday)  # 7.5 s a trial
    wait_until(lambda: at_work(back, "back", postgres_url))
    other = start("back", 2, postgres_url, 0)
    for process in (back, other):
        assert (process.communicate(timeout=300)[1], process.returncode) == ("", 0)
    trials = load("back", postgres_url).trials
    assert tally(trials).finished == len(trials) == 2
    first, second = (trial.datetime_start for trial in trials)
    assert (second - first).total_seconds() > 80_000  # it did live yesterday


def test_it_sees_that_another_is_not_heard_of(replayed, postgres_url, yesterday):
    write_replay("heartbeat = 3")
    late = start("late", 2, postgres_url, 5)
    wait_until(lambda: at_work(late, "late", postgres_url))
    suspend_between_transactions(late, postgres_url)
    back = start("late", 2, postgres_url, 0, **yesterday)
    assert (back.communicate(timeout=300)[1], back.returncode) == ("", 0)
    late.kill()
    late.communicate()
    lost, *others = load("late", postgres_url).trials
    assert ending(lost) == "lost"
    assert lost.user_attrs["error"] == "its worker was not heard of any more"
    assert lost.number in [trial.user_attrs.get(RETRY_OF) for trial in others]
    assert tally(others).finished == 2
