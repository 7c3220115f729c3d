"""Searches in budgets with several workers, some of them killed: the same table as with one.

A stand-in trains, but for the last test.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from search.execution.time_limit import TimeLimit
from search.storage.errors import StorageError
from search.study.runs import key_of
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials, ending
from tests.conftest import DATA, ROOT, postgresql_is_slow
from tests.faults.conftest import write_replay
from tests.faults.replay import quiet, replay, replay_crew
from tests.faults.test_workers import stopped
from tests.search.conftest import load, table, write_preset

BUDGETS = "[search]\nbudgets = [1, 2, 4]\nreduction_factor = 2\ngeneration = 6\n"
TRIALS = 24


def planned_table(study) -> list[tuple]:
    """What must be the same in two searches, and which run each trial is."""
    runs = {}
    for trial in study.trials:
        record = TrialRecord.of(trial)
        runs[record.ordinal] = (key_of(trial), record.generation, record.role)
    return [(runs[row[0]], row) for row in table(study)]


@pytest.fixture
def budgeted(project):
    write_replay(BUDGETS, epochs=4)
    return project


@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.slow)])
@postgresql_is_slow
def test_any_number_of_workers_gives_the_same_table(budgeted, url, workers):
    straight = replay("alone", TRIALS, "sqlite:///straight.db")
    crew = replay_crew(workers, "crew", TRIALS, url, seconds=0.02)
    assert planned_table(crew) == planned_table(straight)
    used = {TrialRecord.of(trial).worker.pid for trial in crew.trials}
    assert len(used) == workers


def test_several_workers_say_why_they_ended_early(budgeted):
    path = budgeted / "studies/replay.toml"
    text = path.read_text().replace("{ low = 0.0, high = 0.5 }", "[0.0, 0.5]")
    text = text.replace("{ low = 0.15, high = 0.45 }", "[0.2]")
    path.write_text(f'{text}[sampler]\nname = "grid"\n')
    progress = quiet()
    crew = replay_crew(2, "crew", 1000, "sqlite:///crew.db", seconds=0, progress=progress)
    assert count_trials(crew.trials).finished < 1000
    assert progress.console.file.getvalue().count("every point of the grid has been tried") == 1


@pytest.mark.slow
def test_the_time_of_several_workers_is_up_at_once(budgeted):
    """Slow, as it has to last until two processes have been at work for some generations."""
    limit = TimeLimit.from_now(25)
    options = ("--timeout", str(limit.seconds), "--deadline", str(limit.deadline))
    url = "sqlite:///crew.db"
    crew = replay_crew(2, "crew", 10_000, url, 0.2, *options)
    assert -2 < limit.left < 5
    ended = [trial for trial in crew.trials if trial.state.is_finished()]
    records = [TrialRecord.of(trial) for trial in ended]
    assert len({record.worker.pid for record in records}) == 2
    raced = [trial for trial in ended if TrialRecord.of(trial).role == "race"]
    at = [trial.datetime_start.timestamp() for trial in raced]
    assert limit.deadline - min(at) > 0.15 * limit.seconds


def kill_one(name: str, url: str, killed: list[int]) -> None:
    """Kill a worker that is in the middle of a run of several epochs."""
    while not killed:
        time.sleep(0.05)
        with contextlib.suppress(StorageError, KeyError):
            for trial in load(name, url).trials:
                if ending(trial) != "running" or not trial.intermediate_values:
                    continue
                pid = TrialRecord.of(trial).worker.pid
                with contextlib.suppress(psutil.NoSuchProcess), stopped([pid]):
                    if ending(load(name, url).trials[trial.number]) == "running":
                        os.kill(pid, signal.SIGKILL)
                        killed.append(trial.number)
                        return


@pytest.mark.parametrize("workers", [1, pytest.param(3, marks=pytest.mark.slow)])
@postgresql_is_slow
def test_a_killed_worker_changes_nothing(budgeted, url, workers):
    straight = replay("alone", TRIALS, "sqlite:///straight.db")
    killed: list[int] = []
    killer = threading.Thread(target=kill_one, args=("crew", url, killed))
    killer.start()
    crew = replay_crew(workers, "crew", TRIALS, url, seconds=0.2 if workers == 1 else 0.4)
    killer.join()
    assert [trial.number for trial in crew.trials if ending(trial) == "lost"] == killed
    assert count_trials(crew.trials).finished == TRIALS
    assert planned_table(crew) == planned_table(straight)


DYING = """
import os, signal, sys
from search.storage.rdb import FastRDBStorage
from benchmarks.standins.replay import replay

create, made = FastRDBStorage._create_new_trial, []

def create_or_die(self, *arguments):
    made.append(None)
    if len(made) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return create(self, *arguments)

FastRDBStorage._create_new_trial = create_or_die
replay("half", 24, sys.argv[1])
"""


@postgresql_is_slow
def test_a_kill_leaves_no_half_generation(budgeted, url):
    """It is killed while it writes the second generation, of nine runs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", DYING, url, "10"], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    left = load("half", url).trials
    assert [ending(trial) for trial in left] == ["completed"] * 6
    straight = replay("alone", TRIALS, "sqlite:///straight.db")
    assert planned_table(replay("half", TRIALS, url)) == planned_table(straight)


@pytest.mark.slow
def test_one_worker_and_two_of_one_thread_train_the_same(project):
    """Real training, which goes on from kept weights; slow, as three processes load TensorFlow."""
    write_preset(epochs=4, more=f"\n{BUDGETS}")
    studies = {}
    for workers in (1, 2):
        url = f"sqlite:///of{workers}.db"
        command = [sys.executable, "-m", "search", "run", "--study", "tiny", "--trials", "16"]
        command += ["--storage", url, "--data", str(DATA), "--workers", str(workers)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([*command, "--threads", "1"], env=environment, check=True)
        studies[workers] = load("tiny", url)
    assert planned_table(studies[1]) == planned_table(studies[2])
    records = [TrialRecord.of(trial) for trial in studies[2].trials]
    assert any(record.continued_from for record in records)
    assert len({record.worker.pid for record in records}) == 2
