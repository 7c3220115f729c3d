"""The report of a search in budgets: its sentences, its tables, and its page in a real browser."""

from __future__ import annotations

import pandas as pd

from search.generations.race import seeds_to_decide
from search.storage.connection import open_storage
from search.study.runs import RunKey
from search.study.winner import winner
from studies.report.budget_sections import best_tiles, race_section, runs_section
from studies.report.sections import report_sections
from studies.report.summary import summarize
from studies.report.write import draw_report, write_report
from tests.conftest import PATHS
from tests.search.in_budgets import (
    PRESET,
    SimulatedSearch,
    default_params,
    run_trial,
    store_search,
)
from tests.studies.browser import check_figures, show
from tests.studies.conftest import URL


def test_the_answer_is_a_mean_with_its_interval():
    best = winner(SimulatedSearch().trials, PRESET)
    mean, probability = best_tiles(best)
    assert mean.value == f"{best.standing.mean:.4f}"
    assert mean.note.startswith("mean of 4 seeds; 95 % interval 0.9")
    assert probability.value == f"{best.standing.best_probability:.2f}"


def test_the_tables_name_the_chosen_configuration_and_its_runs():
    trials = SimulatedSearch().trials
    best = winner(trials, PRESET)
    (standings,) = race_section(best).tables
    assert [row[0] for row in standings.rows] == ["14", "21 (chosen)", "1", "5"]
    (runs,) = runs_section(trials, best).tables
    assert len(runs.rows) == 16
    assert runs.rows[0][:6] == ["12", "1", "promotion", "0", "10", "completed"]


def test_there_is_no_selection_bias_and_a_stuck_run_saved_its_own_budget():
    found = summarize(PRESET, SimulatedSearch().trials)
    assert found.selection_bias is None
    assert found.best.number == found.winner.standing.number
    assert found.time_saved["stuck"].seconds < 2.1


def advised(raced: int) -> str:
    return summarize(PRESET, SimulatedSearch(raced).trials).advice[-1]


def test_what_would_decide_the_race_is_advised():
    seeds = 2 * seeds_to_decide(winner(SimulatedSearch(12).trials, PRESET).standings)
    said = f"not decided yet: about {seeds} more trials with other seeds would probably decide it"
    assert f"{said} (`run_search(replace(job, trials={40 + seeds})" in advised(12)
    assert "more trials only help if they try new ones" in advised(40)


def test_advice_on_first_runs_says_how_short_they_were():
    def tried(number: int, value: float, activation: str):
        params = default_params(activation=activation, dropout=0.5)
        return run_trial(RunKey(number, 1), value, params=params)

    slow = [tried(number, 0.1, "tanh") for number in range(1, 6)]
    said = summarize(PRESET, [tried(0, 0.7, "relu"), *slow]).advice
    assert said[0].startswith("dropout of the best configuration, 0.5, lies at the upper end")
    assert said[1].startswith(
        "activation: tanh (at most 0.1000 in 5 trials, 5 completed) never came near relu (0.7000) "
        "after 1 epoch; leave out what"
    )


def test_before_the_top_budget_is_reached_lower_ones_are_shown():
    trials = SimulatedSearch().trials[:9]
    titles = [section.title for section in report_sections(PRESET, trials, PATHS.results)]
    assert titles[:2] == ["Answer", "The race of the best"]
    assert winner(trials, PRESET).standing.budget == 3


def test_the_page_in_a_browser(project, browser):
    store_search(open_storage(URL))
    written = write_report("budgets", URL, PATHS.results, print, copies=False)
    for width, scheme in ((1280, "light"), (400, "dark")):
        show(browser, written.page, width, scheme)
        shown = check_figures(browser, width)
        assert (shown["race"], shown["optimisation-history"]) == (20, 40)
    text = browser.execute_script("return document.body.innerText")
    assert "probability that it is the best" in text
    assert "Configuration 21 is the smallest, with 206,922 weights" in text
    assert set(pd.read_parquet(written.parquet)["role"]) == {"new", "promotion", "race"}


def test_a_study_whose_first_run_was_stuck_has_a_page(project):
    study = store_search(raced=0)
    stuck = [trial for trial in study.trials if trial.value is None][:1]
    assert report_sections(PRESET, stuck, PATHS.results)[0].title == "Answer"
    assert draw_report(study, PATHS.results, print, copies=False).page.exists()
