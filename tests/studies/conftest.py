"""Studies that were never trained, for pages to be drawn of; and a browser to look at them."""

from __future__ import annotations

import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from selenium import webdriver

from search.preset import load_preset
from search.storage import open_storage

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--window-size=1280,1000"]

URL = "sqlite:///studies/results/studies.db"
AXES = {
    "activation": CategoricalDistribution(["sigmoid", "relu"]),
    "output_activation": CategoricalDistribution(["softmax", "relu"]),
    "dropout": FloatDistribution(0.0, 0.5),
    "learning_rate": FloatDistribution(0.15, 0.45),
}
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


def store(trials: list[FrozenTrial], name: str = "paper", memory: bool = False) -> optuna.Study:
    """Keep the trials as a study of the preset `paper` in the project's database, or in memory."""
    storage = None if memory else open_storage(URL)
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    study.set_user_attr("preset", load_preset("paper").identity())
    study.set_user_attr("seed", 648)
    study.add_trials(trials)
    return study


@pytest.fixture
def browser(tmp_path):
    if not (CHROMIUM and DRIVER):
        pytest.skip(
            "chromium and chromedriver are not installed (Debian: chromium chromium-driver)"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'browser'}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def show(browser, path: Path, width: int = 1280, scheme: str = "light") -> None:
    """Open a page of ours and wait until all of its figures are drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.resolve().as_uri())
    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("return document.body.dataset.drawn") == "all"
    )


def faults(browser) -> list[str]:
    """What the browser complained of since the last call."""
    log = browser.get_log("browser")
    return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]
