"""The paper's comparison: trained on few images, resumed, drawn and looked at in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from fmnist_model.errors import UserError
from search.comparison import _with_new_defaults, run_of
from search.storage import open_read_only
from studies.arms import ARMS, RELU, arm_runs, comparison, sweep_runs
from studies.comparing import compare
from studies.paper import curve_table, write_paper
from studies.paper_figures import frozen_levels
from studies.published import PUBLISHED
from tests.studies.conftest import URL, faults, show

HOME = Path("studies/results/paper-comparison")


def load(name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_read_only(URL))


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
def two_seeds(custom_data, monkeypatch):
    """The comparison with two seeds on 200 images, at two rates."""
    monkeypatch.setattr("studies.arms.RATES", (0.2, 0.45))
    said: list[str] = []
    compare(URL, 2, 200, custom_data, said.append)
    return said


def test_the_comparison_is_trained_judged_resumed_and_drawn(two_seeds, custom_data, browser):
    honest, leaky = load("paper-comparison"), load("paper-comparison-leaky")
    assert {run_of(t) for t in honest.trials} == {*arm_runs(range(2)), *sweep_runs(range(2))}
    assert len(leaky.trials) == 10
    curves = curve_table(honest.trials, 10)
    assert (curves.groupby(["arm", "learning_rate", "seed"]).size() == 10).all()
    judged = json.loads((HOME / "test.json").read_text())
    assert {(j["arm"], j["seed"]) for j in judged} == {(a, s) for a in ARMS for s in (0, 1)}
    assert any(line.startswith("warning: now the paper's own protocol") for line in two_seeds)

    said: list[str] = []
    compare(URL, 2, 200, custom_data, said.append)
    assert not [line for line in said if " rate " in line]
    log = (HOME / "test_set_openings.jsonl").read_text().splitlines()
    purposes = [json.loads(line)["purpose"] for line in log]
    assert purposes == ["the arms of the comparison", "leaky: training on the test set"]

    with pytest.raises(UserError, match="was begun with other arms, epochs or images"):
        compare(URL, 2, 300, custom_data, said.append)

    page = write_paper(URL, 200, said.append, copies=False)
    for width, scheme in ((1280, "light"), (400, "dark")):
        show(browser, page, width, scheme)
        assert faults(browser) == []
        plots = browser.execute_script(
            "return [...document.querySelectorAll('.plot')].map(p => [p.id, "
            "p.querySelectorAll('path').length])"
        )
        assert {f"figure-{n}" for n in range(1, 8)} <= {name[:8] for name, _ in plots}
        assert min(count for _, count in plots) > 3, plots
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
    text = browser.execute_script("return document.body.innerText")
    assert "to try it out, not to be believed" in text
    assert "opened once after all arms had been trained" in text


def test_the_arms_are_those_of_the_paper():
    models = comparison().arms
    assert [m.output_activation for m in models.values()].count("relu") == 2
    assert {m.architecture for m in models.values()} == {"cnn", "mlp"}


def test_nothing_to_draw_is_one_sentence(project, command):
    done = command("studies", "paper", "--draw-only")
    assert done.returncode == 2
    assert "no such database" in done.stderr


def test_a_comparison_begun_before_a_field_was_added_goes_on():
    identity = comparison().identity()
    before = {name: dict(model) for name, model in identity["arms"].items()}
    for model in before.values():
        del model["kernel_size"], model["activation"]
    before["sigmoid"]["activation"] = before["two dense layers"]["activation"] = "sigmoid"
    assert _with_new_defaults(identity | {"arms": before}) == identity
