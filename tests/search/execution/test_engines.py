"""A search that trains trials side by side equals one that trains them one after the other, even
when it is killed in between.

The test that kills is slow, because each of three processes compiles its device program; the one
that runs out of memory is slow, too.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial

from fmnist_model.evaluation.exported_config import read_exported_config
from fmnist_model.jax_engine import backend
from fmnist_model.utils.errors import UserError
from search.execution.engines import chosen_engine, loader
from search.presets.files import load_preset
from search.storage.connection import open_read_only
from search.study.trials import count_trials
from tests.conftest import DATA, PATHS
from tests.search.conftest import URL, load, table, write_preset

SLOTS = 3
TRIALS = 8
TIGHT = """
[model]
filters = [8, 8]
dense_units = 8
[train]
batch_size = 1000
[data]
limit = 1000
[space]
dropout = { low = 0.0, high = 0.5 }
"""

PERCEPTRON = """
[model]
architecture = "mlp"
dense_units = 8
[train]
batch_size = 500
epochs = 2
[data]
limit = 1000
[space]
learning_rate = { low = 0.1, high = 0.2 }
"""

needs_jax = pytest.mark.skipif(
    not backend.jax_is_installed(), reason="the extra jax is not installed"
)


def test_latency_is_measured_by_tensorflow_alone(project):
    latency = '[search]\n[objective]\nminimize = ["latency_ms"]'
    for more, refused in (("[search]", False), (latency, True)):
        write_preset(more=more)
        preset = load_preset("tiny", PATHS.presets)
        assert chosen_engine("tensorflow", preset, alone=True) == "tensorflow"
        if refused:
            with pytest.raises(UserError, match="the population engine does not know latency_ms"):
                chosen_engine("population", preset, alone=True)
        else:
            assert chosen_engine("population", preset, alone=True) == "population"


def launch(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "search", "run", "--study", "tiny", "--name", name]
    command += ["--trials", str(TRIALS), "--data", str(DATA)]
    command += ["--engine", "population", "--slots", str(SLOTS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    try:
        output, _ = process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, output
    return output


def seen(name: str) -> list[FrozenTrial]:
    """The trials of a study whose lock may be held by a process that is stopped by a signal."""
    with suppress(KeyError, UserError):  # it is not there yet
        return optuna.load_study(study_name=name, storage=open_read_only(URL)).trials
    return []


def kill_while_three_run(process: subprocess.Popen[str], name: str) -> None:
    for _ in range(6000):
        time.sleep(0.02)
        if not Path("studies/results/studies.db").exists():
            continue
        process.send_signal(signal.SIGSTOP)
        counts = count_trials(seen(name))
        if counts.running == SLOTS and counts.finished:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return
        process.send_signal(signal.SIGCONT)
    raise AssertionError("three trials were never seen running")


@needs_jax
def test_trials_are_trained_side_by_side(project, command):
    """The smallest network, in a process of its own, because Keras has one backend per process."""
    Path("studies/small.toml").write_text(PERCEPTRON)
    options = ["--study", "small", "--trials", "3", "--data", DATA]
    done = command("search", "run", *options, "--engine", "population", "--slots", "2")
    assert done.returncode == 0, done.stderr
    assert "2 slots on " in done.stdout
    trials = load("small").trials
    assert count_trials(trials).finished == 3
    assert {trial.user_attrs["engine"] for trial in trials} == {"population"}


@needs_jax
@pytest.mark.slow
def test_a_study_with_a_kill_equals_one_straight_through(project, command, everything):
    """The lag equals the number of slots, and SIGKILL comes while all slots are in use. Afterwards
    TensorFlow trains the best configuration again."""
    write_preset(
        epochs=4,
        more=f'activation = ["relu", "elu"]\noutput_activation = ["softmax", "relu"]\n'
        f"[workers]\nlag = {SLOTS}",
    )
    output = finish(launch("straight"))
    assert f"{SLOTS} slots on " in output
    straight = load("straight")
    process = launch("killed")
    kill_while_three_run(process, "killed")
    output = finish(launch("killed"))
    assert "was killed; it will be tried again" in output
    assert "images/s, as before" in output
    killed = load("killed")
    assert count_trials(killed.trials).lost == SLOTS
    assert count_trials(killed.trials).finished == TRIALS
    assert table(killed) == table(straight)
    assert {trial.user_attrs.get("engine") for trial in straight.trials} == {"population"}
    assert count_trials(straight.trials).completed

    from fmnist_model.dataset.fashion_mnist import split
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    done = command("search", "export", "--study", "tiny", "--name", "straight")
    assert done.returncode == 0, done.stderr
    best = read_exported_config(Path("studies/results/straight/best.toml"))
    engine = TensorFlowEngine(*split(everything, 1000))
    again = [
        engine.run(best.model, best.train.model_copy(update={"seed": seed})).value
        for seed in range(5)
    ]
    assert min(again) - 0.15 < straight.best_value < max(again) + 0.15


@needs_jax
@pytest.mark.slow
def test_slots_that_do_not_fit_into_memory_are_an_error_of_one_sentence(project):
    """The address space is limited, so that the allocation really fails."""
    Path("studies/tight.toml").write_text(TIGHT)
    code = (
        "import resource, runpy\n"
        f"resource.setrlimit(resource.RLIMIT_AS, 2 * [{5 * 2**30}])\n"
        "runpy.run_module('search', run_name='__main__', alter_sys=True)"
    )
    arguments = ["run", "--study", "tight", "--engine", "population", "--data", str(DATA)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--slots", "256"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "error: SLOTS=256: so many do not fit into the memory of" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_is_refused_in_a_sentence(project, invoke):
    done = invoke("search", "run", "--study", "wide", "--engine", "population")
    assert done.returncode == 2
    assert "space.filters, space.batch_normalization, " in done.stderr
    done = invoke("search", "run", "--slots", "4", "--engine", "tensorflow")
    assert done.returncode == 2
    assert "SLOTS= is for ENGINE=population" in done.stderr
    assert done.stderr.count("\n") == 1


def test_auto_takes_the_population_on_a_gpu_alone_and_where_the_space_allows_it(
    project, monkeypatch
):
    paper, wide = load_preset("paper", PATHS.presets), load_preset("wide", PATHS.presets)
    monkeypatch.setattr(backend, "jax_sees_a_gpu", lambda: True)
    assert chosen_engine("auto", paper, alone=True) == "population"
    assert chosen_engine("auto", paper, alone=False) == "tensorflow"
    assert chosen_engine("auto", wide, alone=True) == "tensorflow"
    monkeypatch.setattr(backend, "jax_sees_a_gpu", lambda: False)
    assert chosen_engine("auto", paper, alone=True) == "tensorflow"


def test_without_jax_auto_is_tensorflow_and_population_an_error(project, monkeypatch):
    monkeypatch.setattr(backend, "find_spec", lambda _name: None)
    assert chosen_engine("auto", load_preset("paper", PATHS.presets), alone=True) == "tensorflow"
    with pytest.raises(UserError, match="needs JAX, which is not installed"):
        loader("population", None)
