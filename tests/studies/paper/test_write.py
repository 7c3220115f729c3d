"""The paper's comparison: trained on few images, resumed, drawn and shown in a browser.

To train it is slow: 34 runs of the paper's networks. tests/search/execution/test_paired_runs.py
trains smaller ones.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import optuna
import pytest

from fmnist_model.utils.errors import UserError
from search.execution.paired_runs import _with_new_defaults, run_of
from search.storage.connection import open_read_only, open_storage
from studies.paper.arms import ARMS, RELU, arm_runs, comparison, sweep_runs
from studies.paper.run import compare
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


@pytest.fixture
def interrupted(custom_data):
    """Interrupt the command after its first run; return its exit status and its output."""
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
    """The comparison with two seeds on 200 images, at two rates, continued after an interrupt."""
    monkeypatch.setattr("studies.paper.arms.PAPER_RATES", (0.2, 0.45))
    said: list[str] = []
    train(custom_data, said.append)
    return said


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "rates", [27, *(pytest.param(rates, marks=pytest.mark.slow) for rates in (0, 120))]
)
def test_the_page_in_a_browser_with_so_many_runs_at_other_rates(project, browser, rates):
    store_all(sweep_runs(range(10))[:rates])
    page = write_paper(comparison(PATHS), URL, print, copies=False)
    for width, scheme in ((1280, "light"), (400, "dark")):
        show(browser, page, width, scheme)
        assert set(check_figures(browser, width)) == FIGURES
    text = browser.execute_script("return document.body.innerText")
    assert f"{rates} of 120" in text
    assert ("runs; compare(" in text) == (rates < 120)


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
    before = runs_told_of(write_paper(comparison(PATHS), URL, print, copies=False))
    mine = optuna.load_study(study_name="paper-comparison", storage=open_storage(URL))
    first = mine.get_trials()[0]
    mine.add_trial(optuna.create_trial(value=0.99))
    mine.enqueue_trial({"arm": RELU})
    first.params["seed"], first.user_attrs = 900, {"history": [1], "diagnosis": "dead"}
    mine.add_trial(first)
    assert runs_told_of(write_paper(comparison(PATHS), URL, print, copies=False)) == before + 1
    assert run_of(mine.trials[-1]).seed == 900
    assert [run_of(trial) for trial in mine.trials[-3:-1]] == [None, None]
    assert curve_table([mine.trials[-1]], 10).empty


def runs_told_of(page: Path) -> int:
    return int(re.search(r"(\d+) runs of 10 epochs", page.read_text())[1])
