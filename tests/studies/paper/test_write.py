"""The paper's comparison: trained on few images, resumed, drawn and looked at in a browser."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from scipy import stats

from fmnist_model.utils.errors import UserError
from search.execution.paired_runs import _with_new_defaults, run_of
from search.storage.connection import open_read_only, open_storage
from studies.paper.arm_figures import arm_data
from studies.paper.arms import ARMS, RELU, arm_runs, comparison, sweep_runs
from studies.paper.published import PUBLISHED
from studies.paper.run import compare
from studies.paper.summary_figures import frozen_levels, levels_data, rates_data
from studies.paper.tables import curve_table
from studies.paper.write import Say, write_paper
from tests.conftest import PATHS
from tests.studies.browser import check_figures, show
from tests.studies.conftest import URL
from tests.studies.fake_comparison import store_all

HOME = Path("studies/results/paper-comparison")


def load(name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_read_only(URL))


def train(data: Path, say: Say, limit: int = 200) -> None:
    """Train the comparison with two seeds on few images, and draw it."""
    question = comparison(PATHS, limit)
    compare(question, URL, 2, data, say, partial(write_paper, question, URL, say))


def test_the_plan_has_every_arm_rate_and_seed_once():
    arms, rates = arm_runs(range(10)), sweep_runs(range(10))
    assert len(set(arms)) == len(arms) == 50
    assert len(set(rates)) == len(rates) == 120
    assert not set(arms) & set(rates)
    assert {run.learning_rate for run in rates} == {0.15, 0.25, 0.3, 0.35, 0.4, 0.45}


def test_the_papers_losses_are_two_of_the_levels():
    levels = frozen_levels()
    assert PUBLISHED[RELU].loss[0] == pytest.approx(levels[4], abs=1e-4)
    assert PUBLISHED["ReLU output + dropout"].loss[0] == pytest.approx(levels[8], abs=1e-4)
    assert levels[10] == pytest.approx(2.3026, abs=1e-4)


@pytest.fixture
def interrupted(custom_data):
    """How the command ends that is interrupted after its first run: its status and its words."""
    command = [sys.executable, "-m", "studies", "paper", "--seeds", "2", "--limit", "200"]
    with subprocess.Popen(
        [*command, "--data", custom_data],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        next(line for line in process.stdout if " seed " in line)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    return process.returncode, said


@pytest.fixture
def two_seeds(interrupted, custom_data, monkeypatch):
    """The comparison with two seeds on 200 images, at two rates, gone on with."""
    monkeypatch.setattr("studies.paper.arms.PAPER_RATES", (0.2, 0.45))
    said: list[str] = []
    train(custom_data, said.append)
    return said


def test_the_comparison_is_trained_judged_resumed_and_drawn(
    interrupted, two_seeds, custom_data, browser
):
    status, said_then = interrupted
    assert status == 130
    assert said_then.startswith("interrupted; run the same command again to go on")
    assert said_then.count("\n") == 1
    assert re.fullmatch(r"10 runs of 5 arms with 2 seeds each, \d of them done, .*", two_seeds[0])
    honest, leaky = load("paper-comparison"), load("paper-comparison-leaky")
    assert {run_of(t) for t in honest.trials} == {*arm_runs(range(2)), *sweep_runs(range(2))}
    assert len(leaky.trials) == 10
    curves = curve_table(honest.trials, 10)
    assert (curves.groupby(["arm", "learning_rate", "seed"]).size() == 10).all()
    judged = json.loads((HOME / "test.json").read_text())
    assert {(j["arm"], j["seed"]) for j in judged} == {(a, s) for a in ARMS for s in (0, 1)}
    assert any(line.startswith("warning: now the paper's own protocol") for line in two_seeds)

    said: list[str] = []
    train(custom_data, said.append)
    assert said == [
        "10 runs of 5 arms with 2 seeds each, 10 of them done, then the test set",
        "4 runs at other learning rates, 4 of them done",
    ]
    log = (HOME / "test_set_openings.jsonl").read_text().splitlines()
    purposes = [json.loads(line)["purpose"] for line in log]
    assert purposes == ["the arms of the comparison", "leaky: training on the test set"]

    with pytest.raises(UserError, match="was begun with other arms, epochs or images"):
        train(custom_data, said.append, limit=300)

    page = write_paper(comparison(PATHS, 200), URL, said.append, copies=False)
    show(browser, page, 400, "dark")
    check_figures(browser, 400)
    text = browser.execute_script("return document.body.innerText")
    assert "to try it out, not to be believed" in text
    assert "opened once after all arms had been trained" in text


FIGURES = {
    "final-losses-of-the-arms-with-a-relu-output",
    "learning-rates-sigmoid",
    "learning-rates-relu-softmax",
    "figure-1-the-split",
    *(f"figure-2-sigmoid-{measure}" for measure in ("loss", "accuracy")),
    *(f"figure-3-relu-output-{measure}" for measure in ("loss", "accuracy")),
    *(f"figure-4-relu-output-dropout-{measure}" for measure in ("loss", "accuracy")),
    *(f"figure-5-relu-softmax-{measure}" for measure in ("loss", "accuracy")),
    *(f"figure-6-the-arms-side-by-side-{measure}" for measure in ("loss", "accuracy")),
    "figure-7-activation-functions",
    "figure-7-their-derivatives",
}


@pytest.mark.parametrize("rates", [120, 27, 0])
def test_the_page_in_a_browser_with_so_many_runs_at_other_rates(project, browser, rates):
    store_all(sweep_runs(range(10))[:rates])
    page = write_paper(comparison(PATHS), URL, print, copies=False)
    for width, scheme in ((1280, "light"), (400, "dark")):
        show(browser, page, width, scheme)
        assert set(check_figures(browser, width)) == FIGURES
    text = browser.execute_script("return document.body.innerText")
    assert f"{rates} of 120" in text
    assert ("runs; compare(" in text) == (rates < 120)


def test_the_mean_over_seeds_has_its_interval_at_each_rate():
    runs = pd.DataFrame(
        [("sigmoid", 0.2, seed, value) for seed, value in enumerate((0.6, 0.7, 0.8))]
        + [("sigmoid", 0.45, 0, 0.9), ("ReLU + softmax", 0.2, 0, 0.85)],
        columns=["arm", "learning_rate", "seed", "val_accuracy"],
    )
    data = rates_data(runs, "sigmoid")
    assert data.means["learning_rate"].to_list() == [0.2, 0.45]
    assert data.means["mean"].to_list() == pytest.approx([0.7, 0.9])
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert data.means["high"][0] - data.means["mean"][0] == pytest.approx(half)
    assert data.means["low"][1] == data.means["high"][1] == 0.9
    assert data.means["seeds"].to_list() == [3, 1]


def test_runs_of_one_level_stand_on_each_other():
    levels = frozen_levels()
    losses = [levels[4], levels[4] + 0.02, levels[8], levels[4] - 0.01]
    runs = pd.DataFrame({"arm": RELU, "seed": range(4), "loss": losses})
    data = levels_data(runs, "loss")
    assert data["k"].to_list() == [4, 4, 8, 4]
    assert data["height"].to_list() == [1, 2, 1, 3]


def test_a_frozen_arm_shows_each_seed_and_others_their_intervals():
    curves = pd.DataFrame(
        [
            {"arm": RELU, "seed": s, "epoch": e, "loss": 1.0 + s, "accuracy": 0.1}
            | {"val_loss": 1.0 + s, "val_accuracy": 0.1}
            for s in range(3)
            for e in (1, 2)
        ]
    )
    frozen = arm_data(RELU, "loss", curves, curves.iloc[:0])
    assert frozen.seeds["seed"].nunique() == 3
    assert [one.name for one in frozen.bands][:2] == ["ours, training", "ours, validation"]
    assert len(frozen.bands) == 4
    other = arm_data("sigmoid", "loss", curves, curves)
    assert other.seeds.empty
    assert other.bands[-1].name == "ours, leaky"
    assert other.bands[0].points["mean"].to_list() == [2, 2]


def test_the_arms_are_those_of_the_paper():
    models = comparison(PATHS).arms
    assert [m.output_activation for m in models.values()].count("relu") == 2
    assert {m.architecture for m in models.values()} == {"cnn", "mlp"}


def test_nothing_to_draw_is_one_sentence(project, command):
    done = command("studies", "paper", "--draw-only")
    assert done.returncode == 2
    assert "no such database" in done.stderr


def test_a_comparison_begun_before_a_field_was_added_goes_on():
    identity = comparison(PATHS).identity()
    before = {name: dict(model) for name, model in identity["arms"].items()}
    for model in before.values():
        del model["kernel_size"], model["activation"]
    before["sigmoid"]["activation"] = before["two dense layers"]["activation"] = "sigmoid"
    assert _with_new_defaults(identity | {"arms": before}) == identity


def test_what_others_added_to_the_comparison_is_no_run_or_one_without_a_history(project):
    store_all(sweep_runs(range(2)))
    before = runs_told_of(write_paper(URL, None, print, copies=False))
    mine = optuna.load_study(study_name="paper-comparison", storage=open_storage(URL))
    first = mine.get_trials()[0]
    mine.add_trial(optuna.create_trial(value=0.99))
    mine.enqueue_trial({"arm": RELU})
    first.params["seed"], first.user_attrs = 900, {"history": [1], "diagnosis": "dead"}
    mine.add_trial(first)
    assert runs_told_of(write_paper(URL, None, print, copies=False)) == before + 1
    assert run_of(mine.trials[-1]).seed == 900
    assert [run_of(trial) for trial in mine.trials[-3:-1]] == [None, None]
    assert curve_table([mine.trials[-1]], 10).empty


def runs_told_of(page: Path) -> int:
    return int(re.search(r"(\d+) runs of 10 epochs", page.read_text())[1])
