"""The sections on a final evaluation, from a real evaluation on few images."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tomli_w

from fmnist_model.evaluation.final_evaluation import evaluate
from studies.report.commands import Command, as_python
from studies.report.write import write_report
from tests.conftest import PATHS, write_idx
from tests.studies.browser import check_figures, show
from tests.studies.conftest import URL, many, store

BEST = {
    "model": {"activation": "relu", "dropout": 0.1, "filters": [8, 16], "dense_units": 32},
    "train": {"batch_size": 50, "epochs": 4, "learning_rate": 0.1, "momentum": 0.5},
    "provenance": {"study": "paper", "trial": 0, "validation_accuracy": 0.75},
}


@pytest.fixture(scope="module")
def evaluated(few, tmp_path_factory):
    """Results whose best.toml has been evaluated, on 500 images that stand in for the test set."""
    home = tmp_path_factory.mktemp("evaluated")
    write_idx(home / "data", "train", few[0])
    write_idx(home / "data", "t10k", few[1])
    path = home / "results" / "best.toml"
    path.parent.mkdir()
    path.write_text(tomli_w.dumps(BEST))
    evaluate(path, 2, home / "data")
    return path.parent


@pytest.fixture
def judged(project, evaluated):
    """A study whose best configuration has been evaluated, and the contents of evaluation.json."""
    store(many(12))
    shutil.copytree(evaluated, PATHS.results / "paper")
    return json.loads((evaluated / "evaluation.json").read_text())


def test_predictions_are_kept_in_few_bytes(judged, few):
    path = PATHS.results / "paper" / "predictions.npz"
    assert path.stat().st_size < 40_000
    with np.load(path) as kept:
        assert kept["probabilities"].shape == (2, 500, 10)
        assert kept["probabilities"].sum(axis=-1) == pytest.approx(1, abs=0.01)
        own = (kept["predicted"] == kept["labels"]).mean(axis=1)
        assert own.tolist() == pytest.approx(judged["accuracy"]["values"])
        np.testing.assert_array_equal(kept["worst_pixels"], few[1].pixels[kept["worst"]])
        chosen = kept["probabilities"].astype(float).mean(axis=0)[kept["worst"]]
        assert (chosen.argmax(axis=-1) != kept["labels"][kept["worst"]]).all()


def test_the_page_shows_the_evaluation(judged, browser, tmp_path):
    page = write_report("paper", URL, PATHS.results, print, copies=False).page
    for width, scheme in ((1280, "light"), (400, "dark")):
        show(browser, page, width, scheme)
        shown = check_figures(browser, width)
        for name in ("confusion-matrix", "f1-of-each-class", "curves-of-the-seeds", "reliability"):
            assert shown[name] >= 1
    assert browser.execute_script(
        "const all = [...document.images]; "
        "return all.length == 36 && all.every(i => i.naturalWidth)"
    )
    text = browser.execute_script("return document.body.innerText")
    assert f"{judged['accuracy']['mean']:.4f}" in text
    assert "test set opened by this study" in text
    assert "As an extra, the seeds' networks together, which are not the saved model" in text
    assert "Trial 0 had 0.7500 on the validation images" in text


def answer_of(browser, **more) -> str:
    page = write_report("paper", URL, PATHS.results, print, copies=False, **more).page
    show(browser, page)
    return browser.execute_script("return document.querySelector('#answer').innerText")


def test_the_answer_knows_of_the_evaluation(judged, browser):
    text = answer_of(browser, wording=lambda command: f"make {command.name} NAME=mine")
    assert "The evaluation below is not of the best trial" in text
    assert "make export NAME=mine, then make evaluate NAME=mine would open the test set" in text
    path = PATHS.results / "paper" / "evaluation.json"
    found = json.loads(path.read_text())
    best = max(store(many(12), "again").trials, key=lambda t: t.value or 0).number
    found["configuration"]["provenance"]["trial"] = best
    path.write_text(json.dumps(found))
    text = answer_of(browser)
    assert f"{judged['accuracy']['mean']:.4f}" in text
    assert "evaluate(path)" not in text
    path.unlink()
    assert f"judge it on the test set: {as_python(Command('export'))}, then" in answer_of(browser)
