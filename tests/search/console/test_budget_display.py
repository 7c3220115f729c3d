"""What a terminal shows of a search in budgets."""

from __future__ import annotations

import io

import pytest
from optuna.trial import TrialState
from rich.console import Console

from search.console import progress as progress_module
from search.console.budget_display import best_in_words, race_in_words
from search.console.progress import Progress, print_status
from search.study.runs import RunKey
from search.study.winner import winner
from tests.search.in_budgets import PRESET, SimulatedSearch, run_trial, store_search
from tests.search.several_objectives import store_search_for_both


def unfinished(role: str, state: TrialState = TrialState.WAITING):
    made = run_trial(RunKey(21, 10, 4), None, role, 40)
    made.state = state
    return made


def test_the_best_is_a_configuration_with_its_seeds():
    best = winner(SimulatedSearch().trials, PRESET)
    one = best.standing
    assert best_in_words(best) == (
        f"{one.mean:.4f} ({one.low:.4f} to {one.high:.4f}, 4 seeds) after 10 epochs, best with "
        f"probability {one.best_probability:.2f} (configuration 21"
    )


def test_who_is_raced_is_said_while_a_race_goes_on():
    trials = SimulatedSearch().trials
    best = winner(trials, PRESET)
    assert race_in_words(trials, best) is None
    assert race_in_words([*trials, unfinished("promotion")], best) is None
    said = race_in_words([*trials, unfinished("race")], best)
    assert said.startswith(f"racing 14: {best.standings[0].mean:.4f} (4 seeds, P(best) ")
    assert ", 21: " in said
    assert race_in_words([unfinished("race")], None) is None


def status(width: int, raced: int = 12) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_status(console, store_search(raced=raced))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [90, 200])
def test_status_shows_how_the_configurations_stand(width):
    text = status(width)
    assert "best configurations after 10 epochs: expected validation accuracy" in text
    assert "* 21" in text
    assert "P(best)" in text
    assert "* configuration 21: the smallest, with 206,922 weights, of those within 0.002" in text
    assert "learning_rate" in text
    assert max(map(len, text.splitlines()[1:-1])) <= width


def test_a_narrow_table_shows_its_figures_whole_and_hyperparameters_below():
    lines = status(80).splitlines()
    assert "\u2026" not in "".join(lines)
    (row,) = (line.split() for line in lines if line.lstrip().startswith("* 21 "))
    assert [row[1], row[4], row[-1]] == ["21", "to", "206,922"]
    (below,) = (line for line in lines if line.startswith("21: "))
    assert "learning_rate=" in below


def test_runs_that_wait_are_planned():
    study, waiting = store_search(), unfinished("race")
    waiting.datetime_start = waiting.datetime_complete = None
    study.add_trial(waiting)
    console = Console(file=io.StringIO(), width=200)
    print_status(console, study)
    assert "\n1 planned, to be run next\n" in console.file.getvalue()


def test_status_shows_the_front_and_what_is_on_it():
    console = Console(file=io.StringIO(), width=200)
    print_status(console, store_search_for_both())
    text = console.file.getvalue()
    assert "latency_ms" in text
    assert "front" in text
    assert "(spread 0.05)" in text
    assert "Pareto front of accuracy, parameters and latency_ms: " in text


def test_a_run_that_ends_says_which_it_was():
    study = store_search()
    text = io.StringIO()
    progress = Progress(Console(file=text))
    progress.begin(study, 40)
    for number in (0, 22, 39):
        progress.end(study.trials[number], study.trials)
    said = text.getvalue()
    assert "configuration 0, new, 1 epoch: " in said
    assert "configuration 21, promotion, 3 epochs: " in said
    assert "configuration 5, race, seed 1, 10 epochs: " in said or "race, seed" in said


def test_the_live_display_names_the_best_configuration_and_the_race(monkeypatch):
    monkeypatch.setattr(progress_module, "JUDGING_SHARE", 1)  # it is judged anew each time
    study, screen = store_search(), io.StringIO()
    progress = Progress(Console(file=screen, force_terminal=True, width=220, height=40))
    progress.begin(study, 50)
    running = unfinished("race", TrialState.RUNNING)
    progress.end(study.trials[-1], [*study.trials, running])
    progress.running([running])
    progress.close()
    text = screen.getvalue()
    assert "best 0.91" in text
    assert "(configuration 21: learning_rate=" in text
    assert "racing 14: " in text
    assert "configuration 21, race, seed 4, 10 epochs: " in text
