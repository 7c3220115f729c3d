"""A search that was stopped, killed or failing goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import time

import optuna
import pytest

from search.order import SearchStoppedError
from search.progress import Progress
from search.runner import run_search
from search.storage import StorageError, open_storage
from search.study import StudyMismatchError
from search.trials import ending, tally
from tests.conftest import DATA
from tests.search.conftest import URL, load, order, quiet_progress, search, table, write_preset


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


def launch(trials: int, name: str, study: str = "smoke") -> subprocess.Popen[str]:
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
    """Stop the process to look; kill it where a trial is running, else let it go on a little."""
    for _ in range(200):
        process.send_signal(signal.SIGSTOP)
        if tally(load(name).trials).running:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.03)
    raise AssertionError("no trial was seen running")


def test_a_study_with_kills_between_equals_one_straight_through(project):
    """The smoke preset, straight through, and as 4 and 12 with a SIGKILL in the middle of a trial
    after the tenth, from which on TPE models what it has seen."""
    straight = launch(16, "straight")
    finish(straight)
    finish(launch(4, "killed"))
    process = launch(16, "killed")
    wait_for(process, "trial  11")
    kill_within_a_trial(process, "killed")
    output = finish(launch(16, "killed"))
    assert "was killed; it will be tried again" in output
    killed = load("killed")
    assert tally(killed.trials).lost == 1
    assert tally(killed.trials).running == 0
    assert tally(killed.trials).finished == 16
    assert table(killed) == table(load("straight"))


def test_ctrl_c_ends_cleanly(project):
    process = launch(30, "interrupted")
    wait_for(process, "trial   1")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "stopping after the epoch in hand" in output
    assert "run the same command again to go on" in output
    assert "Traceback" not in output
    counts = tally(load("interrupted").trials)
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
    more = f'{SAMPLERS[sampler]}\n[sampler]\nname = "{sampler}"\n[pruner]\nname = "{pruner}"'
    write_preset(more=more)
    if sampler == "grid":
        text = (project / "studies/tiny.toml").read_text()
        kept = [
            line for line in text.splitlines() if "low =" not in line and line != "batch_size = 100"
        ]
        (project / "studies/tiny.toml").write_text("\n".join(kept))
    # Hyperband hashes the study's name: both studies must have the same.
    # TPE models what it has seen from the eleventh trial on. Trial 6 is the second try of 5.
    count = 15 if sampler == "tpe" else 9
    straight = table(search(count))
    (project / "studies/results/studies.db").unlink()
    lost = {2, 5, 6, 12} if sampler == "tpe" else {2, 5, 6}
    for number in sorted(lost):
        with pytest.raises(KeyboardInterrupt):
            search(count, progress=InterruptingProgress({number}))
    interrupted = search(count)
    assert tally(interrupted.trials).lost == len(lost)
    assert table(interrupted) == straight


@pytest.mark.parametrize("pruner", ["none", "median"])
def test_the_other_pruners(project, pruner):
    """Without one every run completes; the median needs five peers, then stops those below it."""
    write_preset(epochs=4, more=f'[pruner]\nname = "{pruner}"')
    counts = tally(search(12).trials)
    assert (counts.pruned > 0) == (pruner == "median")
    assert counts.completed + counts.pruned == 12


def test_enough_is_enough(tiny):
    study = search(3)
    before = [trial.datetime_complete for trial in study.trials]
    assert [t.datetime_complete for t in search(3).trials] == before
    assert tally(search(4).trials).finished == 4


def test_a_trial_has_all_its_attributes(tiny):
    trial = search(1).trials[0]
    attributes = trial.user_attrs
    assert attributes["stop_reason"] == "completed"
    assert len(attributes["history"]["val_accuracy"]) == attributes["epochs_run"] == 3
    assert attributes["history"]["val_accuracy"][-1] == trial.value
    assert list(trial.intermediate_values) == [1, 2, 3]
    assert attributes["steps_run"] == 30
    assert attributes["diagnosis"]["kind"] in ("healthy", "slow")
    assert attributes["engine"] == "tensorflow"
    assert attributes["precision"] in ("float32", "bfloat16")
    for name in ("train_seconds", "images_per_second", "device", "seed"):
        assert attributes[name]


def test_a_stuck_trial_can_be_let_go_on_and_is_recorded(project):
    write_preset(
        more='activation = ["relu"]\noutput_activation = ["relu"]\n'
        '[[arms]]\nname = "stuck"\n'
        'params = { activation = "relu", learning_rate = 0.4, dropout = 0 }'
    )
    path = project / "studies/tiny.toml"
    path.write_text(path.read_text().replace("[train]", '[train]\non_stuck = "record"'))
    progress = quiet_progress()
    trial = search(1, progress=progress).trials[0]
    assert (ending(trial), trial.user_attrs["epochs_run"]) == ("completed", 3)
    assert trial.user_attrs["recorded"]["epoch"] == 1
    assert trial.user_attrs["recorded"]["revived"] is False
    assert trial.user_attrs["diagnosis"]["kind"] == "dead_output"
    assert set(trial.user_attrs["dead_fraction"]) == {"conv1", "conv2", "dense1"}
    assert "let go on from step" in progress.console.file.getvalue()


def test_stuck_and_diverged_end_as_pruned_with_their_reason(project):
    write_preset(
        more='activation = ["relu", "elu"]\noutput_activation = ["relu"]\n'
        '[[arms]]\nname = "stuck"\n'
        'params = { activation = "relu", learning_rate = 0.4, dropout = 0 }'
    )
    trial = search(1).trials[0]
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert (ending(trial), trial.user_attrs["arm"]) == ("stuck", "stuck")
    assert trial.user_attrs["diagnosis"]["kind"] == "dead_output"
    assert trial.user_attrs["epochs_run"] == 1
    (project / "studies/tiny.toml").write_text(
        (project / "studies/tiny.toml")
        .read_text()
        .replace("high = 0.45", "high = 1e30")
        .replace("learning_rate = 0.4", "learning_rate = 1e30")
        .replace('"relu", "elu"', '"elu"')
        .replace('activation = "relu"', 'activation = "elu"')
        .replace('output_activation = ["relu"]', 'output_activation = ["softmax"]')
    )
    trial = search(1, name="diverged").trials[0]
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert (ending(trial), trial.user_attrs["stop_reason"]) == ("diverged", "diverged")


def test_the_arms_come_first_in_order(project):
    arms = "".join(
        f'\n[[arms]]\nname = "rate {rate}"\nparams = {{ learning_rate = {rate} }}'
        for rate in (0.2, 0.3)
    )
    write_preset(more=arms)
    trials = search(3).trials
    assert [t.user_attrs.get("arm") for t in trials] == ["rate 0.2", "rate 0.3", None]
    assert [t.params["learning_rate"] for t in trials[:2]] == [0.2, 0.3]


FAILING = 'architecture = ["cnn", "mlp"]\n[[arms]]\nname = "bad"\nparams = { architecture = "mlp" }'


def test_a_failed_trial_is_tried_once_more_and_the_search_goes_on(project):
    """The multi-layer perceptron takes no filters, which only shows when it is built."""
    write_preset(more=FAILING)
    text = (project / "studies/tiny.toml").read_text().replace("filters = [4, 8]\n", "")
    text = text.replace("[space]", "[space]\nfilters = [[4, 8], [4, 4]]")
    (project / "studies/tiny.toml").write_text(text)
    with contextlib.suppress(SearchStoppedError):  # the sampler may choose the same again
        search(2)
    study = load("tiny")
    first, second = study.trials[:2]
    assert [ending(first), ending(second)] == ["failed", "failed"]
    assert second.params == first.params
    assert second.user_attrs["retry_of"] == 0
    assert "mean nothing to the architecture mlp" in first.user_attrs["error"]
    assert "Traceback" in first.user_attrs["traceback"]
    assert "retry_of" not in study.trials[2].user_attrs


def test_three_failures_in_a_row_end_the_search(project):
    write_preset(more='architecture = ["mlp"]')
    text = (project / "studies/tiny.toml").read_text().replace("filters = [4, 8]\n", "")
    text = text.replace("[space]", "[space]\nfilters = [[4, 8], [4, 4]]")
    (project / "studies/tiny.toml").write_text(text)
    with pytest.raises(SearchStoppedError, match="3 trials in a row have failed, the last one, 2"):
        search(5)
    counts = tally(load("tiny").trials)
    assert (counts.failed, counts.finished, counts.running) == (3, 0, 0)


def test_another_question_is_refused(tiny):
    search(1)
    write_preset(epochs=4)
    with pytest.raises(StudyMismatchError, match=r"train.epochs is 4, was 3; go back to them, or"):
        search(2)
    write_preset(more="momentum = [0.0, 0.9]")
    with pytest.raises(StudyMismatchError, match=r"space.momentum.choices is .*, was 'absent'"):
        search(2)
    write_preset()
    with pytest.raises(StudyMismatchError, match="seed is 5, was 648"):
        search(2, seed=5)
    assert tally(search(2).trials).finished == 2


def test_other_data_are_refused(tiny, custom_data):
    search(1)
    other = dataclasses.replace(order(2), data=custom_data)
    with pytest.raises(StudyMismatchError, match=r"data has SHA-256 .*, was .*; go back to them"):
        run_search(other, quiet_progress())


def test_a_study_of_somebody_else_is_refused(tiny):
    search(1)
    foreign = optuna.create_study(storage=open_storage(URL), study_name="foreign")
    foreign.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(StudyMismatchError, match="was not made by this program"):
        search(2, name="foreign")


class DestroyingProgress(Progress):
    """Lets every write of an epoch's value fail from now on."""

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
        search(2, progress=DestroyingProgress(quiet_progress().console))
