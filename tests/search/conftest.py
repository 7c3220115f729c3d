"""Searches on few images, seconds long, which share their engine."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from search.console.progress import Progress
from search.execution.engines import EngineLoader, load_data, load_engine
from search.execution.job import SearchJob
from search.execution.runner import run_search
from search.execution.time_limit import TimeLimit
from search.presets.files import load_preset
from search.storage.connection import open_read_only
from search.study.trials import ordinals
from tests.conftest import DATA, PATHS, ROOT

URL = "sqlite:///studies/results/studies.db"

TINY = """
[model]
filters = [4, 8]
dense_units = 16

[train]
batch_size = 100
epochs = {epochs}

[data]
limit = 1000

[space]
dropout = {{ low = 0.0, high = 0.5 }}
learning_rate = {{ low = 0.15, high = 0.45 }}
{more}
"""


def write_preset(name: str = "tiny", epochs: int = 3, more: str = "") -> None:
    """Write a preset that trains for a fraction of a second a trial."""
    Path(f"studies/{name}.toml").write_text(TINY.format(epochs=epochs, more=more))


def job(
    trials: int | None,
    name: str = "tiny",
    preset: str = "tiny",
    seed: int | None = None,
    url: str = URL,
    limit: TimeLimit | None = None,
    source: str | None = None,
) -> SearchJob:
    read, more = load_preset(preset, PATHS.presets), {"limit": limit, "source": source}
    return SearchJob(read, name, url, trials, seed, DATA, data_home=ROOT / "data", **more)


def quiet_progress() -> Progress:
    return Progress(Console(file=io.StringIO(), width=200))


ENGINES: dict[object, object] = {}


def shared_engine(job: SearchJob, study: optuna.Study, progress: Progress):
    """The TensorFlow engine, which searches on the same images share: its programs are compiled
    once. The data is checked as always."""
    images = (job.data, job.preset.data.limit)
    if images in ENGINES:
        load_data(job, study, progress)
    else:
        ENGINES[images] = load_engine(job, study, progress)
    return ENGINES[images]


def search(
    trials: int | None,
    name: str = "tiny",
    progress: Progress | None = None,
    load: EngineLoader = shared_engine,
    **more,
) -> optuna.Study:
    return run_search(job(trials, name, **more), progress or quiet_progress(), load=load)


def load(name: str, url: str = URL) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_read_only(url))


def table(study: optuna.Study) -> list[tuple]:
    """What must be the same in two studies: each trial that was not lost, by its ordinal."""
    return [
        (place, t.params, t.state.name, t.value, t.intermediate_values, t.user_attrs.get("seed"))
        for place, t in sorted((p, study.trials[n]) for n, p in ordinals(study.trials).items())
    ]


def trial(state=TrialState.PRUNED, value=None, number=0, **user_attrs):
    made = create_trial(state=state, value=value, user_attrs=user_attrs)
    made.number = number
    return made


@pytest.fixture
def tiny(project):
    write_preset()
    return project


@pytest.fixture(scope="session")
def trained_studies(tmp_path_factory, everything) -> Path:
    """The folder studies/ of a project whose study `tiny` has three trials, to be copied."""
    home = tmp_path_factory.mktemp("trained")
    (home / "studies/results").mkdir(parents=True)
    with contextlib.chdir(home):
        write_preset()
        search(3)
    return home / "studies"


@pytest.fixture
def searched(tiny, trained_studies) -> optuna.Study:
    """The study `tiny` with three trials, in a project of the test's own."""
    shutil.copytree(trained_studies, "studies", dirs_exist_ok=True)
    return load("tiny")
