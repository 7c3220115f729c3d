"""How long the report of a large study takes to appear: python -m benchmarks.report

A study with many made-up trials is stored once. Then each round measures `python -m studies report`
without static copies of the figures, from the start of the process to its end; the page in a
browser, from opening its address until the last figure is drawn; and scrolling through the page to
its end. Needs Chromium and chromedriver.
"""

from __future__ import annotations

import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.console import Console

from benchmarks.tools.record import print_goal, spread, table
from fmnist_model.utils.cli import PATHS, make_default_folder, new_app, run
from fmnist_model.utils.errors import UserError
from search.presets.files import load_preset
from search.presets.preset import Preset
from search.presets.search_space import distributions
from search.storage.connection import open_storage

ROOT = Path(__file__).parent.parent
GOAL_SECONDS = 15
ENDINGS = ("completed", "completed", "pruned", "pruned", "stuck", "diverged")
WORKERS = 8
SCROLL = """
const done = arguments[0], height = document.documentElement.scrollHeight, times = [];
let y = 0, last = performance.now();
requestAnimationFrame(function step(now) {
  times.push(now - last); last = now; scrollTo(0, y += 300);
  if (y < height) requestAnimationFrame(step); else done(times.sort((a, b) => a - b));
});
"""

app = new_app("Measure how long the report of a large study takes to appear.")


def store(preset: Preset, name: str, trials: int) -> None:
    """Store this many made-up trials as a study, the same at every call."""
    make_default_folder(PATHS.default_url)
    draw, axes = random.Random(0), distributions(preset)
    study = optuna.create_study(
        storage=open_storage(PATHS.default_url), study_name=name, direction="maximize"
    )
    study.set_user_attr("preset", preset.identity())
    study.add_trials([made_up(draw, axes, preset.epochs, number) for number in range(trials)])


def made_up(
    draw: random.Random, axes: dict[str, BaseDistribution], epochs: int, number: int
) -> FrozenTrial:
    """A trial with random values and a random ending."""
    ended = draw.choice(ENDINGS)
    ran = {"completed": epochs, "pruned": min(3, epochs)}.get(ended, 1)
    top = draw.uniform(0.6, 0.93) if ended in ("completed", "pruned") else 0.1
    curve = [top * (1 - 0.5**epoch) for epoch in range(1, ran + 1)]
    dead = {"kind": "dead_output", "layer": "output", "epoch": 1, "step": 6, "certain": True}
    message = "dead output layer: 7 outputs are saturated and 3 outputs are zero on every image"
    made = create_trial(
        state=TrialState.COMPLETE if ended == "completed" else TrialState.PRUNED,
        value=curve[-1] if ended == "completed" else None,
        params={name: _any_of(draw, distribution) for name, distribution in axes.items()},
        distributions=axes,
        intermediate_values=dict(enumerate(curve, 1)),
        user_attrs={
            "stop_reason": ended,
            "diagnosis": (dead if ended == "stuck" else {"kind": "healthy"}) | {"message": message},
            "epochs_run": ran,
            "steps_run": 6 if ended == "stuck" else 48 * ran,
            "train_seconds": 2.0 * ran,
            "worker": {"host": "here", "pid": number % WORKERS, "started": 0},
        },
    )
    made.datetime_start = datetime(2026, 1, 1) + timedelta(seconds=10 * (number // WORKERS))
    made.datetime_complete = made.datetime_start + timedelta(seconds=9)
    return made


def _any_of(draw: random.Random, axis: Any) -> Any:
    if isinstance(axis, CategoricalDistribution):
        return draw.choice(axis.choices)
    if isinstance(axis, IntDistribution):
        return draw.randint(axis.low, axis.high)
    if axis.log:
        return math.exp(draw.uniform(math.log(axis.low), math.log(axis.high)))
    return draw.uniform(axis.low, axis.high)


def drawn(name: str) -> float:
    """Seconds of `python -m studies report`."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "studies", "report", "--study", name, "--no-copies"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def looked_at(page: Path) -> tuple[float, list[float]]:
    """Seconds until the last figure is drawn, and milliseconds of each frame while scrolling."""
    from selenium import webdriver
    from selenium.webdriver.support.ui import WebDriverWait

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise UserError("chromium or chromedriver is not installed (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"):
        options.add_argument(flag)
    service = webdriver.ChromeService(driver)
    with webdriver.Chrome(options=options, service=service) as browser:
        began = time.perf_counter()
        browser.get(page.resolve().as_uri())
        WebDriverWait(browser, 300, 0.1).until(
            lambda b: b.execute_script("return document.body.dataset.drawn") == "all"
        )
        return time.perf_counter() - began, browser.execute_async_script(SCROLL)


@app.command()
def main(
    study: Annotated[str, typer.Option(help="The preset that has their space.")] = "paper",
    trials: Annotated[int, typer.Option(min=1, help="Trials of the study.")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 5,
) -> None:
    """Draw the report of a large study, open it in a browser, and print how long that took."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    console = Console()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        Path("studies").mkdir()
        for path in (ROOT / "studies").glob("*.toml"):
            (Path("studies") / path.name).write_bytes(path.read_bytes())
        preset = load_preset(study, PATHS.presets).model_copy(update={"search": None})
        store(preset, study, trials)
        page = Path("studies/results") / study / "report.html"
        found = [(drawn(study), *looked_at(page)) for _ in range(rounds)]
        size = page.stat().st_size / 1e6
    _print(console, f"report of {trials:,} trials of {study}", found, size)


def _print(
    console: Console, title: str, found: list[tuple[float, float, list[float]]], size: float
) -> None:
    whole = [report + page for report, page, _ in found]
    shown = table(f"{title}: median and quartiles of {len(found)} rounds", "what", "how much")
    shown.add_row("python -m studies report, s", spread([report for report, _, _ in found]))
    shown.add_row("in the browser to the last figure, s", spread([page for _, page, _ in found]))
    shown.add_row("both, s", spread(whole))
    for share, words in ((0.5, "half of"), (0.95, "19 in 20 of")):
        frames = [times[int(share * len(times))] for _, _, times in found]
        shown.add_row(f"{words} the frames while scrolling take at most, ms", spread(frames, ".0f"))
    shown.add_row("the page, MB", f"{size:.1f}")
    console.print(shown)
    print_goal(console, f"< {GOAL_SECONDS} s", f"{max(whole):.1f} s", max(whole) < GOAL_SECONDS)


if __name__ == "__main__":
    run(app)
