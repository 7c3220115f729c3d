"""Studies that were never trained, for pages to be drawn of."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.presets.files import load_preset
from search.presets.preset import Preset
from search.storage.connection import open_storage
from tests.conftest import PATHS
from tests.studies.browser import start_browser

URL = "sqlite:///studies/results/studies.db"
AXES = {
    "activation": CategoricalDistribution(["sigmoid", "relu"]),
    "output_activation": CategoricalDistribution(["softmax", "relu"]),
    "dropout": FloatDistribution(0.0, 0.5),
    "learning_rate": FloatDistribution(0.15, 0.45),
}
RISING = [0.5, 0.6, 0.7, 0.75, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85]
BEGAN = datetime(2026, 11, 1, 12)


def trial(
    reason: str,
    curve: list[float],
    number: int = 0,
    message: str = "why",
    batch_size: int = 1000,
    axes: dict | None = None,
    **params,
) -> FrozenTrial:
    """A trial that ended as `reason` says, with a step time of 10 ms."""
    params = {"activation": "relu", "output_activation": "softmax"} | params
    params = {"dropout": 0.2, "learning_rate": 0.2} | params
    completed = reason == "completed"
    steps = 6 if reason == "stuck" else 48_000 // batch_size * len(curve)
    stuck = {"kind": "dead_output", "layer": "output", "epoch": 1, "step": 2, "certain": True}
    diagnosis = stuck if reason == "stuck" else {"kind": "healthy", "epoch": None, "step": None}
    made = create_trial(
        state=TrialState.COMPLETE if completed else TrialState.PRUNED,
        value=curve[-1] if completed else None,
        params=params,
        distributions=axes or AXES,
        intermediate_values=dict(enumerate(curve, 1)),
        user_attrs={
            "stop_reason": reason,
            "diagnosis": diagnosis | {"message": message},
            "epochs_run": len(curve),
            "steps_run": steps,
            "train_seconds": steps / 100,
            "seed": number,
            "worker": {"host": "here", "pid": 1 + number % 2, "started": 0},
        },
    )
    made.datetime_start = BEGAN + timedelta(minutes=number)
    made.datetime_complete = made.datetime_start + timedelta(seconds=50)
    return made


def failed(number: int) -> FrozenTrial:
    made = trial("failed", [0.2], number)
    made.state, made.user_attrs = TrialState.FAIL, {"fail_reason": "exception", "error": "E: no"}
    return made


def one_of_each() -> list[FrozenTrial]:
    """Five trials, each with another ending."""
    return [
        trial("completed", RISING, 0),
        trial("stuck", [0.1], 1, output_activation="relu"),
        trial("pruned", [0.4, 0.5], 2, learning_rate=0.3),
        trial("diverged", [0.1], 3, learning_rate=0.45),
        failed(4),
    ]


def many(count: int) -> list[FrozenTrial]:
    """So many trials of all endings, the same at every call."""
    draw = random.Random(0)
    trials = []
    for number in range(count):
        reason = draw.choice(["completed", "completed", "pruned", "stuck", "diverged"])
        epochs = 10 if reason == "completed" else 3 if reason == "pruned" else 1
        top = draw.uniform(0.6, 0.9) if reason in ("completed", "pruned") else 0.1
        params = {
            "activation": draw.choice(["sigmoid", "relu"]),
            "output_activation": "relu" if reason == "stuck" else "softmax",
            "dropout": draw.uniform(0, 0.5),
            "learning_rate": draw.uniform(0.15, 0.45),
        }
        curve = [top * (1 - 0.5 ** (epoch + 1)) for epoch in range(epochs)]
        trials.append(trial(reason, curve, number, **params))
    return trials


def whole_runs() -> Preset:
    """The preset `paper` without its budgets: each trial is a run of all epochs, or is stopped."""
    return load_preset("paper", PATHS.presets).model_copy(update={"search": None})


def store(trials: list[FrozenTrial], name: str = "paper", memory: bool = False) -> optuna.Study:
    """Keep the trials as a study without budgets in the project's database, or in memory."""
    storage = None if memory else open_storage(URL)
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    study.set_user_attr("preset", whole_runs().identity())
    study.set_user_attr("seed", 648)
    study.add_trials(trials)
    return study


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their markers
def pytest_collection_modifyitems(items):
    """Mark all that is looked at in a browser as slow; quick tests read the pages as text."""
    for item in items:
        if "started_browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def started_browser(tmp_path_factory):
    """A browser without a window, started once: that takes longer than most of what it looks at."""
    driver = start_browser(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(started_browser):
    """The browser with an empty page, and without complaints of what another test looked at."""
    started_browser.get("about:blank")
    started_browser.get_log("browser")
    return started_browser
