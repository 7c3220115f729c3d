"""A search that was stopped, was killed or had failures continues as if nothing had happened.

In tests that are not about training, made-up learning curves replace it (`Replay`); signals,
samplers, pruners and the database are real. One interrupted study really trains. The test that
kills processes is slow, because four processes train 32 trials.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from benchmarks.standins.replay import Replay
from search.console.progress import Progress
from search.execution.engines import load_engine
from search.execution.runner import run_search
from search.presets.files import load_preset
from search.storage.errors import StorageError
from search.study.trials import count_trials
from tests.conftest import DATA, PATHS, ROOT, run_examples
from tests.search.conftest import load, quiet_progress, search, table, write_preset


class InterruptingProgress(Progress):
    """Sends the process a real SIGINT in the second epoch of the given trials."""

    def __init__(self, at: set[int]) -> None:
        super().__init__(quiet_progress().console)
        self._at, self._trial = at, -1

    def start(self, trial: optuna.Trial) -> None:
        self._trial = trial.number
        super().start(trial)

    def epoch(self, metrics) -> None:
        if self._trial in self._at:
            os.kill(os.getpid(), signal.SIGINT)
            self._at.discard(self._trial)
        super().epoch(metrics)


def replayed(trials: int, **more) -> optuna.Study:
    """Search with made-up learning curves instead of training."""
    return search(trials, load=lambda *_: Replay(), **more)


@pytest.mark.slow
def test_the_example_runs(project):
    Path("data").symlink_to(ROOT / "data")
    assert run_examples(run_search)


def launch(trials: int, name: str, study: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "search", "run", "--study", study, "--name", name]
    command += ["--trials", str(trials), "--data", str(DATA)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the search ended before it said {text!r}")


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def kill_within_a_trial(process: subprocess.Popen[str], name: str) -> None:
    """Stop the process again and again to look at the study; kill it once a trial is running."""
    for _ in range(200):
        process.send_signal(signal.SIGSTOP)
        if count_trials(load(name).trials).running:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.03)
    raise AssertionError("no trial was seen running")


@pytest.mark.slow
def test_the_smoke_preset_finds_a_configuration_in_four_trials(project):
    """The first thing that README asks its reader to do."""
    output = finish(launch(4, "smoke", "smoke"))
    assert "smoke: 4 finished: " in output
    epochs = load_preset("smoke", PATHS.presets).epochs
    assert f"best configurations after {epochs} epochs: expected validation accuracy" in output
    assert "make export STUDY=smoke " in output


@pytest.mark.slow
def test_a_study_with_kills_between_equals_one_straight_through(project):
    """The smoke preset, with a pruner in place of its budgets, is searched once without a break,
    and once as 4 and then 12 trials, with SIGKILL in the middle of a trial after the tenth, from
    which on TPE fits its model."""
    text = Path("studies/smoke.toml").read_text()
    pruned = text.replace("[search]", '[pruner]\nname = "successive_halving"')
    assert pruned != text
    Path("studies/pruned.toml").write_text(pruned)
    straight = launch(16, "straight", "pruned")
    finish(straight)
    finish(launch(4, "killed", "pruned"))
    process = launch(16, "killed", "pruned")
    wait_for(process, "trial  11")
    kill_within_a_trial(process, "killed")
    output = finish(launch(16, "killed", "pruned"))
    assert "was killed; it will be tried again" in output
    killed = load("killed")
    assert count_trials(killed.trials).lost == 1
    assert count_trials(killed.trials).running == 0
    assert count_trials(killed.trials).finished == 16
    assert table(killed) == table(load("straight"))


def test_ctrl_c_ends_cleanly(tiny):
    process = launch(200, "interrupted", "tiny")
    wait_for(process, "trial   1")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "stopping after the epoch in hand" in output
    assert "run the same command again to go on" in output
    assert "Traceback" not in output
    counts = count_trials(load("interrupted").trials)
    assert (counts.running, counts.failed) == (0, 0)


SAMPLERS = {
    "tpe": "",
    "random": "",
    "qmc": "",
    "cmaes": "",
    "grid": "momentum = [0.0, 0.5, 0.9]\nbatch_size = [50, 100, 200]",
}


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [*((sampler, "successive_halving") for sampler in SAMPLERS)]
    + [(sampler, "hyperband") for sampler in ("tpe", "grid")],
)
def test_an_interrupted_study_equals_an_uninterrupted_one(project, sampler, pruner):
    """TPE fits its model from the eleventh trial on."""
    more = f'{SAMPLERS[sampler]}\n[sampler]\nname = "{sampler}"\n[pruner]\nname = "{pruner}"'
    write_preset(more=more)
    if sampler == "grid":
        text = (project / "studies/tiny.toml").read_text()
        kept = [
            line for line in text.splitlines() if "low =" not in line and line != "batch_size = 100"
        ]
        (project / "studies/tiny.toml").write_text("\n".join(kept))
    at = {2, 5, 6} if sampler == "grid" else {2, 5, 6, 12}  # the grid has nine points
    interruptions_change_nothing(replayed, 15, at)


def test_an_interrupted_study_trains_as_an_uninterrupted_one(tiny):
    """Each search gets a new engine, as it would in another process."""

    def trained(trials: int, **more) -> optuna.Study:
        return search(trials, load=load_engine, **more)

    interruptions_change_nothing(trained, 7, {2, 5, 6})


def interruptions_change_nothing(search_with, count: int, at: set[int]) -> None:
    """The study is interrupted in the trials `at`; trial 6 is the second try of trial 5."""
    # Hyperband hashes the study's name: both studies must have the same.
    straight = table(search_with(count))
    Path("studies/results/studies.db").unlink()
    for number in sorted(at):
        with pytest.raises(KeyboardInterrupt):
            search_with(count, progress=InterruptingProgress({number}))
    interrupted = search_with(count)
    assert count_trials(interrupted.trials).lost == len(at)
    assert table(interrupted) == straight


@pytest.mark.parametrize("pruner", ["none", "median"])
def test_the_other_pruners(project, pruner):
    """Without a pruner every run completes; the median pruner needs five peers, then stops runs."""
    write_preset(epochs=4, more=f'[pruner]\nname = "{pruner}"')
    counts = count_trials(replayed(12).trials)
    assert (counts.pruned > 0) == (pruner == "median")
    assert counts.completed + counts.pruned == 12


def test_enough_is_enough(tiny):
    study = replayed(3)
    before = [trial.datetime_complete for trial in study.trials]
    assert [t.datetime_complete for t in replayed(3).trials] == before
    assert count_trials(replayed(4).trials).finished == 4


class DestroyingProgress(Progress):
    """From the first trial on, every attempt to write an epoch's value to the database fails."""

    def start(self, _trial: optuna.Trial) -> None:
        with contextlib.closing(sqlite3.connect("studies/results/studies.db")) as connection:
            connection.execute(
                "CREATE TRIGGER broken BEFORE INSERT ON trial_intermediate_values "
                "BEGIN INSERT INTO nowhere VALUES (1); END"
            )


def test_a_database_that_breaks_is_one_sentence(tiny):
    with pytest.raises(
        StorageError, match=r"the database cannot be used: no such table: main\.nowhere"
    ):
        replayed(2, progress=DestroyingProgress(quiet_progress().console))
