"""What people see: live on a terminal, lines elsewhere, and four words for four endings."""

from __future__ import annotations

import io

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console

from search.console.progress import Progress, best_table, counts_line
from search.study.trials import TrialCounts, best_trials, count_trials, ending
from tests.search.conftest import search, trial


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (trial(TrialState.COMPLETE, 0.8), "completed"),
        (trial(stop_reason="pruned"), "pruned"),
        (trial(stop_reason="stuck"), "stuck"),
        (trial(stop_reason="diverged"), "diverged"),
        (trial(TrialState.FAIL, fail_reason="exception"), "failed"),
        (trial(TrialState.FAIL, fail_reason="killed"), "lost"),
        (trial(TrialState.FAIL, fail_reason="interrupted"), "lost"),
        (trial(TrialState.WAITING), "waiting"),
    ],
)
def test_every_ending_has_its_word(made, word):
    assert ending(made) == word
    assert getattr(count_trials([made]), word) == 1


def test_only_what_ended_by_itself_counts():
    assert TrialCounts(completed=1, pruned=2, stuck=3, diverged=4, failed=5, lost=6).finished == 10


def test_the_earlier_of_equals_is_best():
    trials = [trial(TrialState.COMPLETE, v, number=n) for n, v in enumerate((0.5, 0.9, 0.9))]
    assert [t.number for t in best_trials(trials, 2)] == [1, 2]


def test_the_line_says_all_four():
    line = counts_line(TrialCounts(completed=1, pruned=2, stuck=3, diverged=4, failed=5), 50)
    assert line == "10/50 finished: 1 completed, 2 pruned, 3 stuck, 4 diverged, 5 failed"


def test_a_terminal_gets_a_live_line(tiny):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160, height=40)
    progress = Progress(console)
    search(2, progress=progress)
    progress.close()
    text = screen.getvalue()
    assert "2/2 finished" in text
    assert "images/s" in text
    assert "left" in text
    assert "best 0." in text


def test_elsewhere_come_plain_lines(tiny):
    text = io.StringIO()
    search(2, progress=Progress(Console(file=text)))
    lines = text.getvalue().splitlines()
    assert [line[:9] for line in lines if line.startswith("trial")] == ["trial   0", "trial   1"]
    assert "\x1b" not in text.getvalue()


def test_optunas_own_log_is_silent(tiny, capfd):
    search(1)
    assert "[I " not in capfd.readouterr().err
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR


@pytest.mark.parametrize("width", [80, 200])
def test_the_best_trials_are_readable_at_any_width(width):
    params = {f"hyperparameter_{n}": n for n in range(8)}
    range_of_each = {name: IntDistribution(0, 9) for name in params}
    best = create_trial(value=0.94321, params=params, distributions=range_of_each)
    console = Console(file=io.StringIO(), width=width)
    console.print(best_table(console, [best]))
    lines = console.file.getvalue().splitlines()
    assert "0.9432" in console.file.getvalue()
    assert all(any(name in line for line in lines) for name in params)
    assert max(map(len, lines)) <= width
