"""What the user sees: a live display on a terminal, lines elsewhere, one word for each ending."""

from __future__ import annotations

import io

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console

from search.console.progress import Progress, best_table, counts_line, print_status
from search.study.trials import TrialCounts
from search.study.winner import Winner
from tests.search.conftest import search, trial


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
    console.print(best_table(console, Winner(best), [best]))
    lines = console.file.getvalue().splitlines()
    assert "0.9432" in console.file.getvalue()
    assert all(any(name in line for line in lines) for name in params)
    assert max(map(len, lines)) <= width


def shown(made) -> str:
    """The lines printed for a trial that has ended, without trailing spaces."""
    progress = Progress(Console(file=io.StringIO(), width=200))
    progress.end(made, [made])
    text = progress.console.file.getvalue()
    return "\n".join(line.rstrip() for line in text.splitlines())


WHY = {"kind": "dead_layer", "message": "why"}


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (trial(TrialState.COMPLETE, 0.5), "trial   0 completed 0.5000"),
        (
            trial(TrialState.COMPLETE, 0.5, epochs_run=3, train_seconds=1.25),
            "trial   0 completed 0.5000 after  3 epochs    1.2 s",
        ),
        (
            trial(stop_reason="stuck", diagnosis=WHY, epochs_run=1, train_seconds=2.0),
            "trial   0 stuck          - after  1 epoch     2.0 s\n          why",
        ),
        (
            trial(epochs_run=2, diagnosis=WHY, recorded={"epoch": 1, "step": 3}),
            "trial   0 pruned         - after  2 epochs    0.0 s\n"
            "          let go on from step 3 of epoch 1: why",
        ),
        (
            trial(TrialState.COMPLETE, 0.5, weights_note="it is trained again"),
            "trial   0 completed 0.5000\n          it is trained again",
        ),
        (trial(stop_reason="stuck"), "trial   0 stuck          -"),
        (trial(stop_reason="stuck", diagnosis="dead"), "trial   0 stuck          -"),
        (trial(stop_reason="diverged", diagnosis={"kind": "new"}), "trial   0 diverged       -"),
        (trial(recorded={"epoch": 1}, diagnosis=WHY), "trial   0 pruned         -"),
        (trial(epochs_run="many", train_seconds="long"), "trial   0 pruned         -"),
        (
            trial(TrialState.FAIL, error=["no"]),
            "trial   0 failed\n          no reason was recorded",
        ),
        (trial(TrialState.FAIL, fail_reason="killed"), "trial   0 lost"),
    ],
)
def test_a_trial_that_has_ended_is_shown_by_what_is_known_of_it(made, text):
    assert shown(made) == text


def test_status_reports_trials_that_others_began_or_enqueued():
    study = optuna.create_study(direction="maximize", study_name="theirs")
    study.ask()
    study.add_trial(trial(TrialState.RUNNING, worker="me"))
    study.enqueue_trial({"x": 1})
    study.add_trial(trial(TrialState.COMPLETE, 0.5))
    console = Console(file=io.StringIO(), width=200)
    print_status(console, study)
    lines = console.file.getvalue().splitlines()
    assert lines[0].startswith("theirs: 1 finished: 1 completed, 0 pruned")
    assert lines[1:4] == ["1 enqueued, to be run next", "trial 0 is running", "trial 1 is running"]
    assert "0.5000" in console.file.getvalue()
