"""What the report says of a search with further objectives, and its page in a real browser."""

from __future__ import annotations

from search.storage.connection import open_storage
from search.study.winner import winner
from studies.report.pareto_section import pareto_section
from studies.report.sections import report_sections
from studies.report.summary import summarize
from studies.report.write import write_report
from tests.conftest import PATHS
from tests.search.in_budgets import PRESET, SimulatedSearch
from tests.search.several_objectives import BOTH, SearchForBoth, preset, store_search_for_both
from tests.studies.browser import check_figures, show
from tests.studies.conftest import URL


def test_the_section_has_the_front_and_a_figure_for_each_objective():
    made = preset(BOTH)
    best = winner(SearchForBoth(made).trials, made)
    section = pareto_section(best)
    assert section.lead.startswith("All configurations here meet parameters <= 400000. ")
    assert f"Configuration {best.standing.configuration} is chosen by the rule best" in section.lead
    assert [figure.title for figure in section.figures] == [
        "Accuracy and parameters",
        "Accuracy and latency_ms",
    ]
    (table,) = section.tables
    assert len(table.rows) == len(best.front)
    assert table.head[4:6] == ["parameters (weights)", "latency_ms (ms an image)"]
    assert f"{best.standing.configuration} (chosen)" in [row[0] for row in table.rows]


def test_with_constraints_alone_there_is_no_figure():
    made = preset({"constraints": ["latency_ms <= 0.8"]})
    section = pareto_section(winner(SearchForBoth(made).trials, made))
    assert (section.title, len(section.figures)) == ("Constraints", 0)


def test_only_a_search_with_further_objectives_has_such_a_section():
    titles = [s.title for s in report_sections(PRESET, SimulatedSearch().trials, PATHS.results)]
    assert "The Pareto front" not in titles
    made = preset(BOTH)
    titles = [s.title for s in report_sections(made, SearchForBoth(made).trials, PATHS.results)]
    assert titles[:3] == ["Answer", "The Pareto front", "The race of the best"]


def test_that_nothing_meets_the_constraints_is_the_advice():
    made = preset({"constraints": ["latency_ms <= 0.01"]})
    trials = SearchForBoth(made, 20).trials
    found = summarize(made, trials)
    assert found.best is None
    (advice,) = found.advice
    assert advice.startswith(
        "So far no configuration that was tried for 10 epochs meets latency_ms"
    )
    assert report_sections(made, trials, PATHS.results)[0].title == "Answer"


def test_the_page_in_a_browser(project, browser):
    study = store_search_for_both(open_storage(URL))
    best = winner(study.trials, preset(BOTH))
    written = write_report("both", URL, PATHS.results, print, copies=False)
    for width, scheme in ((1280, "light"), (400, "dark")):
        show(browser, written.page, width, scheme)
        shown = check_figures(browser, width)
        for name in ("accuracy-and-parameters", "accuracy-and-latency-ms"):
            assert shown[name] >= len(best.standings) + 1
    assert "The Pareto front" in browser.execute_script("return document.body.innerText")
