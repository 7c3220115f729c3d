"""The report: its numbers, its files, and the page in a real browser."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from search.preset import load_preset
from search.stopping import STOPPED
from studies import figures
from studies.answer import Saved, advice, answer, optimism, saved
from studies.report import draw_report, report_sections, write_report
from studies.table import trial_table
from tests.studies.conftest import AXES, URL, failed, faults, many, show, store, trial

RISING = [0.5, 0.6, 0.7, 0.75, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85]
RESULTS = Path("studies/results/paper")


def one_of_each():
    return [
        trial("completed", RISING, 0),
        trial("stuck", [0.1], 1, output_activation="relu"),
        trial("pruned", [0.4, 0.5], 2, learning_rate=0.3),
        trial("diverged", [0.1], 3, learning_rate=0.45),
        failed(4),
    ]


def test_a_row_a_trial_with_its_ending_and_last_value(project):
    table = trial_table(store(one_of_each()).trials)
    assert table["ending"].to_list() == ["completed", "stuck", "pruned", "diverged", "failed"]
    assert table["value"].to_list()[:4] == [0.85, 0.1, 0.5, 0.1]
    assert table["kind"][1] == "dead_output"
    assert table["learning_rate"].to_list() == [0.2, 0.2, 0.3, 0.45, 0.2]
    assert table["message"][4] == "E: no"


def test_time_saved_is_the_steps_left_times_the_time_of_a_step(project):
    found = saved(load_preset("paper"), store(one_of_each()).trials)
    assert found["stuck"].seconds == pytest.approx((480 - 6) / 100)
    assert found["pruned"].seconds == pytest.approx((480 - 96) / 100)
    assert found["diverged"] == Saved([pytest.approx((480 - 48) / 100)])


def test_time_spent_leaves_pauses_out(project):
    found = answer(load_preset("paper"), store(one_of_each()).trials)
    assert found.wall_seconds == 5 * 50
    assert found.best is not None
    assert found.best.number == 0


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([trial("completed", [0.8], learning_rate=0.449)], "learning_rate of the best trial, 0.44"),
        ([trial("completed", [0.8], dropout=0.001)], "lies at the lower end of its range (0)"),
        (
            [
                trial("completed", [0.8]),
                *[trial("stuck", [0.1], output_activation="relu")] * 3,
            ],
            "output_activation = relu: all 3 trials were stuck or diverged",
        ),
        (
            [trial("completed", [0.8]), *[trial("completed", [0.7], activation="sigmoid")] * 3],
            "activation = sigmoid: never better than 0.7000 in 3 trials",
        ),
        ([trial("completed", [0.8]), *[trial("pruned", [0.7])] * 12], "The last 12 of 13 trials"),
        ([trial("stuck", [0.1])], "No trial has completed"),
    ],
)
def test_advice(project, trials, said):
    assert any(said in line for line in advice(store(trials).trials)), said


def test_why_a_search_stopped_stands_in_place_of_searching_on(project):
    study = store([trial("completed", [0.8]), *[trial("pruned", [0.7])] * 12])
    kept = {"latest": 0.0, "shuffled": 0.0004, "trials": 60, "below": 0.001}
    study.set_user_attr(STOPPED, kept)
    preset = load_preset("paper")
    said = report_sections(study, preset, project)[0].points
    assert [line for line in said if line.startswith("The search was stopped early: the next 10")]
    assert not [line for line in said if "brought nothing better" in line]


def test_advice_is_silent_where_nothing_speaks_for_it(project):
    study = store([trial("completed", [0.8]), trial("completed", [0.79], activation="sigmoid")])
    said = advice(study.trials)
    assert not [line for line in said if "activation" in line or "range" in line]


def test_the_winner_of_many_equals_is_flattered_more():
    preset = load_preset("paper")
    few, lots = (
        optimism(preset, [trial("completed", [0.85], n) for n in range(count)]) for count in (2, 50)
    )
    spread = np.sqrt(0.85 * 0.15 / 12_000)
    assert few.mean == pytest.approx(spread * 0.564, rel=0.05)  # of two normals, 1 / sqrt(pi)
    assert lots.mean == pytest.approx(spread * 2.249, rel=0.05)  # of fifty
    assert optimism(preset, [trial("completed", [0.85])]) is None


def test_the_best_so_far_never_falls(project):
    table = trial_table(store([trial("completed", [v]) for v in (0.5, 0.8, 0.7, 0.9)]).trials)
    assert figures.history_data(table).best["best"].to_list() == [0.5, 0.8, 0.8, 0.9]


def test_the_share_of_stuck_trials_along_an_axis(project):
    trials = [trial("completed", [0.8], dropout=d / 100) for d in range(0, 25)]
    trials += [trial("stuck", [0.1], dropout=0.25 + d / 100) for d in range(0, 25)]
    table = trial_table(store(trials).trials)
    data = figures.slice_data(table, "dropout", AXES["dropout"])
    assert data.bins["trials"].sum() == 50
    assert data.bins["share"].iloc[0] == 0
    assert data.bins["share"].iloc[-1] == 1
    log = FloatDistribution(0.15, 0.45, log=True)
    data = figures.slice_data(
        table.assign(learning_rate=table["trial"] + 1.0), "learning_rate", log
    )
    assert np.diff(np.log(data.bins["centre"])) == pytest.approx(np.log(50) / 8)


def test_stuck_curves_end_where_they_were_stopped(project):
    data = figures.curves_data(store(one_of_each()).trials)
    assert data.best["value"].to_list() == RISING
    assert set(data.ends["ending"]) == {"stuck", "diverged"}
    assert data.ends["epoch"].to_list() == [1, 1]


def test_the_map_has_a_panel_a_combination(project):
    panels = figures.stuck_map_data(trial_table(store(one_of_each()).trials))
    assert {panel.title: len(panel.points) for panel in panels} == {
        "hidden relu, output relu": 1,
        "hidden relu, output softmax": 4,
    }


def test_the_files_say_the_same_as_the_database(project):
    store(many(30))
    written = write_report("paper", URL, lambda line: None, copies=False)
    csv, parquet = pd.read_csv(written.csv), pd.read_parquet(written.parquet)
    assert len(csv) == len(parquet) == 30
    assert csv["value"].to_numpy() == pytest.approx(parquet["value"].to_numpy())
    assert str(parquet["started"].dtype).endswith("UTC]")


def drawn(browser) -> dict[str, int]:
    """The figures of the page, and how many marks each has."""
    return browser.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('.plot')].map(p => [p.id, "
        "p.querySelectorAll('.plot-container path, .plot-container .point').length]))"
    )


def test_the_page_in_a_browser(project, browser, tmp_path):
    store(many(60))
    page = write_report("paper", URL, lambda line: None, copies=False).page
    for width, scheme in ((1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")):
        show(browser, page, width, scheme)
        assert faults(browser) == []
        marks = drawn(browser)
        assert set(marks) == {
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
        assert min(marks.values()) > 3, marks
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
        browser.save_screenshot(str(tmp_path / f"{width}-{scheme}.png"))
    text = browser.execute_script("return document.body.innerText")
    assert "saved by stopping stuck runs" in text
    assert "http" not in browser.execute_script(
        "return performance.getEntriesByType('resource').map(r => r.name).join(' ')"
    )


def test_the_page_follows_a_change_of_scheme(project, browser):
    store(many(12))
    page = write_report("paper", URL, lambda line: None, copies=False).page
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
    page = write_report("paper", URL, lambda line: None, copies=False).page
    show(browser, page)
    assert browser.title == "Search report: paper"
    assert faults(browser) == []
    assert browser.execute_script("return document.querySelectorAll('img, b b').length") == 0
    assert "<b>bold</b>" in browser.execute_script("return document.body.innerText")


def test_two_thousand_trials_are_drawn(project, browser):
    study = store(many(2000), memory=True)
    page = draw_report(study, lambda line: None, copies=False).page
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
    page = write_report("paper", URL, lambda line: None, copies=False).page
    assert "No trial has ended yet" in page.read_text()


def test_mistakes_are_one_sentence(project, command):
    done = command("studies", "report")
    assert done.returncode == 2
    assert "no such database; make search creates it" in done.stderr
    store([])
    done = command("studies", "report", "--name", "other")
    assert "there is no study 'other'; it has paper" in done.stderr
    assert done.stderr.count("\n") == 1
