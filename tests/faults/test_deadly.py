"""Trials that take their worker with them, as one does that the system kills for its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from search.execution.local_pool import WorkerSpec
from search.execution.runner import run_search
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials, ending
from tests.conftest import ROOT, postgresql_is_slow
from tests.faults.conftest import write_replay
from tests.faults.replay import quiet, replay, replay_order
from tests.faults.test_workers import running, start, stopped, wait_until
from tests.search.conftest import URL, load

ARM = '[[arms]]\nname = "deadly"\nparams = { dropout = 0.25 }\n'
DEADLY = """
import os, signal, sys
from benchmarks.standins import replay

class Deadly(replay.Replay):
    def run(self, model, train, report=None, **more):
        def deadly(metrics):
            pruned = report(metrics)
            if model.dropout == 0.25:
                os.kill(os.getpid(), signal.SIGKILL)
            return pruned
        return super().run(model, train, deadly, **more)

replay.Replay = Deadly
sys.exit(replay.main())
"""
ALONE = "import sys; from tests.faults.replay import replay; replay('alone', 1, sys.argv[1], 1)"


def with_deadly_arm() -> None:
    write_replay()
    path = Path("studies/replay.toml")
    path.write_text(path.read_text() + ARM)


def deadly_crew(name: str, trials: int, url: str, count: int = 2, **more) -> WorkerSpec:
    command = [sys.executable, "-c", DEADLY, name, str(trials), "0.1"]
    return WorkerSpec(command, count, {"STORAGE": url, "PYTHONPATH": str(ROOT)}, **more)


@postgresql_is_slow
def test_a_trial_that_kills_its_worker_twice_has_failed_and_the_search_goes_on(replayed, url):
    with_deadly_arm()
    progress = quiet()
    found = run_search(replay_order("deadly", 6, url), progress, deadly_crew("deadly", 6, url))
    first, again = (trial for trial in found.trials if trial.params.get("dropout") == 0.25)
    assert [ending(first), ending(again)] == ["lost", "failed"]
    assert TrialRecord.of(again).retry_of == first.number
    assert again.params == first.params
    why = "twice: its worker was killed by signal 9, and then was killed by signal 9"
    assert again.user_attrs["error"] == why
    assert why in progress.console.file.getvalue()
    counts = count_trials(found.trials)
    assert (counts.finished, counts.failed, counts.lost, counts.running) == (6, 1, 1, 0)
    more = replay("deadly", 7, url)  # where it would not be deadly
    assert (len(more.trials), count_trials(more.trials).finished) == (9, 7)


def kill_at_work(worker: subprocess.Popen[str], name: str) -> int:
    """Kill the worker in a trial's second epoch or later; return the trial's number."""

    def at_work() -> list[int]:
        return [
            trial.number
            for trial in running(name, URL)
            if trial.intermediate_values and TrialRecord.of(trial).worker.pid == worker.pid
        ]

    while True:
        wait_until(at_work)
        with stopped([worker.pid]):
            if numbers := at_work():  # still
                worker.kill()
                worker.communicate()
                return numbers[0]


def test_that_the_whole_search_is_killed_again_and_again_is_no_fault_of_a_trial(replayed):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(3):
        alone = subprocess.Popen([sys.executable, "-c", ALONE, URL], env=environment, text=True)
        kill_at_work(alone, "alone")
    counts = count_trials(replay("alone", 1, URL).trials)
    assert (counts.finished, counts.lost, counts.failed) == (1, 3, 0)


def test_deaths_count_without_a_pool_too(replayed):
    """As in an array job: the next worker sees that the process is gone."""
    killed = [kill_at_work(start("array", 2, URL, seconds=1), "array") for _ in range(2)]
    other = start("array", 2, URL, seconds=0)
    assert (other.communicate(timeout=300)[1], other.returncode) == ("", 0)
    trials = load("array").trials
    assert [ending(trials[number]) for number in killed] == ["lost", "failed"]
    assert trials[killed[1]].user_attrs["error"] == (
        "twice: its worker was killed, and then was killed"
    )
