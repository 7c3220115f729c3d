"""The report: its numbers, its files, and its page in a real browser."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from search.presets.files import parse_preset
from studies.figures.trial_frame import trial_table
from studies.report.sections import _setting_rows
from studies.report.write import draw_report, write_report
from tests.conftest import PATHS, run_examples
from tests.studies.browser import check_figures, faults, show
from tests.studies.conftest import AXES, RISING, URL, many, one_of_each, store, trial

RESULTS = Path("studies/results/paper")


def test_a_row_a_trial_with_its_ending_and_last_value(project):
    table = trial_table(store(one_of_each()).trials)
    assert table["ending"].to_list() == ["completed", "stuck", "pruned", "diverged", "failed"]
    assert table["value"].to_list()[:4] == [0.85, 0.1, 0.5, 0.1]
    assert table["kind"][1] == "dead_output"
    assert table["learning_rate"].to_list() == [0.2, 0.2, 0.3, 0.45, 0.2]
    assert table["message"][4] == "E: no"


def test_the_example_runs(project):
    store(one_of_each())
    assert run_examples(write_report)


def test_what_a_preset_fixes_is_shown_with_all_its_digits(project):
    fixed = {"train": {"learning_rate": 0.123456}, "model": {"filters": [4, 8]}}
    preset = parse_preset({**fixed, "space": {"dropout": {"low": 0, "high": 0.5}}}, "a preset")
    best = create_trial(
        value=0.8, params={"dropout": 0.25}, distributions={"dropout": FloatDistribution(0, 0.5)}
    )
    rows = {name: value for name, value, _ in _setting_rows(preset, best)}
    assert (rows["learning_rate"], rows["filters"], rows["dropout"]) == ("0.123456", "4-8", "0.25")


def test_the_files_say_the_same_as_the_database(project):
    store(many(30))
    written = write_report("paper", URL, PATHS.results, print, copies=False)
    csv, parquet = pd.read_csv(written.csv), pd.read_parquet(written.parquet)
    assert len(csv) == len(parquet) == 30
    assert csv["value"].to_numpy() == pytest.approx(parquet["value"].to_numpy())
    assert str(parquet["started"].dtype).endswith("UTC]")


LOOKS = [(1280, "light"), (400, "dark")]
MORE_LOOKS = [(1280, "dark"), (400, "light")]


@pytest.mark.parametrize("looks", [LOOKS, pytest.param(MORE_LOOKS, marks=pytest.mark.slow)])
def test_the_page_in_a_browser(project, browser, tmp_path, looks):
    store(many(60))
    page = write_report("paper", URL, PATHS.results, print, copies=False).page
    for width, scheme in looks:
        show(browser, page, width, scheme)
        assert set(check_figures(browser, width)) == {
            "optimisation-history",
            "training-curves",
            "timeline-of-the-workers",
            *("activation", "output-activation", "dropout", "learning-rate"),
            *("importances", "parallel-coordinates", "contour-of-learning-rate-and-dropout"),
            "empirical-distribution",
            "where-hidden-relu-output-relu",
            "where-hidden-relu-output-softmax",
            "where-hidden-sigmoid-output-relu",
            "where-hidden-sigmoid-output-softmax",
        }
        browser.save_screenshot(str(tmp_path / f"{width}-{scheme}.png"))
    text = browser.execute_script("return document.body.innerText")
    assert "saved by stopping stuck runs" in text
    assert "http" not in browser.execute_script(
        "return performance.getEntriesByType('resource').map(r => r.name).join(' ')"
    )


def test_the_page_follows_a_change_of_scheme(project, browser):
    store(many(12))
    page = write_report("paper", URL, PATHS.results, print, copies=False).page
    show(browser, page, scheme="light")
    colour = (
        "return getComputedStyle(document.querySelector('#optimisation-history .xtick text')).fill"
    )
    before = browser.execute_script(colour)
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    time.sleep(2)
    assert browser.execute_script(colour) != before


EVIL = "</script><img src=x onerror=document.title='owned'><b>bold</b>"


def test_what_the_database_holds_is_shown_not_run(project, browser):
    axes = AXES | {"activation": CategoricalDistribution(["relu", EVIL])}
    trials = [
        trial("completed", RISING, 0, axes=axes),
        trial("completed", RISING[:5], 1, axes=axes, dropout=0.4),
        trial("stuck", [0.1], 2, message=EVIL, axes=axes, activation=EVIL),
        trial("pruned", [0.1], 3, message=EVIL, axes=axes, activation=EVIL),
    ]
    store(trials)
    page = write_report("paper", URL, PATHS.results, print, copies=False).page
    show(browser, page)
    assert browser.title == "Search report: paper"
    assert faults(browser) == []
    assert browser.execute_script("return document.querySelectorAll('img, b b').length") == 0
    assert "<b>bold</b>" in browser.execute_script("return document.body.innerText")


@pytest.mark.slow
def test_two_thousand_trials_are_drawn(project, browser):
    study = store(many(2000), memory=True)
    page = draw_report(study, PATHS.results, print, copies=False).page
    show(browser, page)
    assert faults(browser) == []


def test_the_command_needs_no_tensorflow_and_writes_copies(project):
    store(many(20))
    probe = (
        "import runpy, sys\n"
        "try: runpy.run_module('studies', run_name='__main__', alter_sys=True)\n"
        "except SystemExit: pass\n"
        "print('slow:', sorted({'tensorflow', 'keras'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, "report"], capture_output=True, text=True, check=True
    )
    assert "slow: []" in done.stdout
    assert "report.html written, and beside it trials.csv, trials.parquet" in done.stdout
    assert done.stderr == ""


def test_a_study_without_trials_has_a_page(project):
    store([])
    page = write_report("paper", URL, PATHS.results, print, copies=False).page
    assert "No trial has ended yet" in page.read_text()


def test_the_page_says_which_study_it_was_begun_from(project):
    study = store([])
    study.set_user_attr("warm_start", {"study": "wide", "configurations": [{}] * 3})
    page = write_report("paper", URL, PATHS.results, print, copies=False).page
    assert "It was begun from the 3 best configurations of study wide. " in page.read_text()


def test_mistakes_are_one_sentence(project, invoke):
    done = invoke("studies", "report")
    assert done.returncode == 2
    assert "no such database; make search creates it" in done.stderr
    store([])
    done = invoke("studies", "report", "--name", "other")
    assert "there is no study 'other'; it has paper" in done.stderr
    assert done.stderr.count("\n") == 1
