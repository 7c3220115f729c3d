"""A search that stops when its next trials have little left to gain, on real studies."""

from __future__ import annotations

import contextlib
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from benchmarks.standins.replay import quiet
from fmnist_model.training.run_counts import EpochMetrics
from fmnist_model.utils.errors import UserError
from search.algorithms.terminator import (
    LOOK_AHEAD_RUNS,
    LOOK_AHEAD_TRIALS,
    MIN_RUNS,
    MIN_TRIALS,
    STOPPED,
    check_stop_when,
    expected_gain,
    stop_sentence,
)
from search.console.progress import Progress, print_status
from search.execution.objective import Interrupted
from search.study.trials import count_trials, ordinals
from tests.faults.conftest import write_replay
from tests.faults.replay import replay, replay_crew
from tests.search.conftest import job, load, quiet_progress, table, trial, write_preset

URL = "sqlite:///studies/results/studies.db"
BELOW = 0.001


@pytest.fixture
def replayed(project):
    write_replay()
    return project


def finished(values) -> list[FrozenTrial]:
    """Trials in this order; None did not complete."""
    return [
        trial(TrialState.PRUNED, None, number)
        if value is None
        else trial(TrialState.COMPLETE, value, number)
        for number, value in enumerate(values)
    ]


def test_it_is_the_mean_over_all_orders():
    """Of the later half here: the earlier one is worse, and more even."""
    early, late = np.random.default_rng(0).uniform(
        [[0.1], [0.2]], [[0.2], [0.9]], (2, MIN_TRIALS // 2)
    )
    kept = combinations(sorted(late), len(late) - LOOK_AHEAD_TRIALS)
    by_hand = max(late) - np.mean([max(each) for each in kept])
    seen = expected_gain(finished([*early, *late]), MIN_TRIALS)
    assert seen.shuffled == pytest.approx(by_hand, rel=1e-9)
    assert seen.latest == pytest.approx(max(late) - max(late[:-LOOK_AHEAD_TRIALS]))
    assert seen.trials == MIN_TRIALS
    back = expected_gain(finished([*late, *early]), MIN_TRIALS)
    assert 0 < back.shuffled < seen.shuffled


def test_of_a_search_in_budgets_the_completed_runs_of_one_budget_count():
    def run(number: int, budget: int, value: float | None, replicate: int = 0) -> FrozenTrial:
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        return trial(state, value, number, budget=budget, replicate=replicate)

    values = np.linspace(0.5, 0.8, MIN_RUNS)
    long = [run(4 * n, 8, value) for n, value in enumerate(values)]
    short = [run(4 * n + 1, 1, 0.95) for n in range(MIN_RUNS)]
    stuck = [run(4 * n + 2, 8, None) for n in range(MIN_RUNS)]
    seeds = [run(4 * n + 3, 8, 0.96, 1) for n in range(MIN_RUNS)]
    mixed = sorted([*long, *short, *stuck, *seeds], key=lambda one: one.number)
    seen = expected_gain(mixed, 999, 8)
    assert seen.latest == pytest.approx(0.3 * LOOK_AHEAD_RUNS / (MIN_RUNS - 1))
    assert (seen.trials, seen.ahead, seen.budget) == (MIN_RUNS, LOOK_AHEAD_RUNS, 8)
    assert 0 < seen.shuffled < seen.latest
    assert expected_gain(mixed[:-4], 999, 8) is None
    assert "the next 4 configurations with 8 epochs are expected" in stop_sentence(
        {**seen._asdict(), "below": 0.1}
    )


def test_on_average_random_search_gains_no_more_than_that():
    drawn = np.random.default_rng(1).normal(0.8, 0.05, (1000, 60))
    expected = [expected_gain(finished(values[:50]), 50).shuffled for values in drawn]
    gained = drawn.max(axis=1) - drawn[:, :50].max(axis=1)
    assert np.mean(gained) < np.mean(expected) < 5 * np.mean(gained)


def test_a_search_that_climbs_goes_on():
    """In random order its last ten trials would have gained a fraction of what they did."""
    seen = expected_gain(finished(np.linspace(0.5, 0.9, 41)), 41)
    assert seen.latest == pytest.approx(0.1)
    assert seen.expected == seen.latest > 5 * seen.shuffled > 0


def test_what_did_not_complete_gains_nothing():
    some = expected_gain(finished([0.5, 0.6, *[None] * 38]), MIN_TRIALS)
    assert some.latest == 0
    assert some.shuffled == pytest.approx(0.1 * 10 / 40 + 0.5 * 10 * 9 / (40 * 39))
    assert expected_gain(finished([None] * MIN_TRIALS), MIN_TRIALS).expected == 0


def test_few_trials_say_nothing_and_later_ones_are_not_looked_at():
    trials = finished([0.5] * MIN_TRIALS)
    assert expected_gain(trials[:-1], MIN_TRIALS) is None
    assert expected_gain(trials, MIN_TRIALS - 2) is None
    more = [*trials, trial(TrialState.COMPLETE, 0.9, MIN_TRIALS)]
    assert expected_gain(more, MIN_TRIALS - 1).expected == 0
    assert expected_gain(more, MIN_TRIALS).expected == pytest.approx(0.4)


@pytest.mark.parametrize("value", [0.0, -0.1, 1.0, float("nan")])
def test_an_improvement_that_is_none_is_refused(value):
    with pytest.raises(UserError, match=r"^stop_when=.*between 0 and 1, such as 0.001$"):
        check_stop_when(value)


def test_a_search_stops_says_why_and_can_be_gone_on_with(replayed):
    progress = quiet_progress()
    study = replay("early", 200, URL, progress=progress, stop_when=BELOW)
    count = count_trials(study.trials).finished
    assert MIN_TRIALS <= count < 200
    kept = study.user_attrs[STOPPED]
    seen = expected_gain(study.trials, count)
    assert kept == {**seen._asdict(), "below": BELOW}
    assert seen.expected < BELOW <= expected_gain(study.trials, count - 2).expected
    assert "no new trial is begun" in progress.console.file.getvalue()
    print_status(progress.console, load("early"))
    said = progress.console.file.getvalue()
    assert f"stopped early: {stop_sentence(kept)}" in said
    assert f"less than {BELOW:g}: of {count} finished trials the last 10" in said

    assert count_trials(replay("early", 200, URL, stop_when=BELOW).trials).finished == count
    on = replay("early", count + 3, URL)
    assert count_trials(on.trials).finished == count + 3
    assert on.user_attrs[STOPPED] is None
    lower = replay("early", 300, URL, stop_when=BELOW / 2)
    assert count_trials(lower.trials).finished >= count + 3
    assert lower.user_attrs[STOPPED]["below"] == BELOW / 2


def test_without_it_nothing_stops(replayed):
    study = replay("on", 60, URL)
    assert count_trials(study.trials).finished == 60
    assert STOPPED not in study.user_attrs


class Interrupting(Progress):
    """Interrupts the search in an epoch of every seventh trial."""

    def __init__(self) -> None:
        super().__init__(quiet().console)
        self.number, self.done = 0, set()

    def start(self, trial: optuna.Trial) -> None:
        self.number = trial.number
        super().start(trial)

    def epoch(self, metrics: EpochMetrics) -> None:
        if self.number % 7 == 0 and self.number not in self.done:
            self.done.add(self.number)
            raise Interrupted
        super().epoch(metrics)


def test_interrupted_it_stops_at_the_same_place(replayed):
    straight = replay("straight", 200, URL, stop_when=BELOW)
    progress = Interrupting()
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            resumed = replay("resumed", 200, URL, progress=progress, stop_when=BELOW)
            break
    assert count_trials(resumed.trials).lost > 2
    assert table(resumed) == table(straight)
    assert resumed.user_attrs[STOPPED] == straight.user_attrs[STOPPED]


def test_two_workers_stop_together(replayed):
    """With a lag, where one does: what has begun is ended, and nothing new is begun."""
    write_replay("lag = 2")
    alone = replay("alone", 200, URL, stop_when=BELOW)
    two = replay_crew(2, "two", 200, URL, 0.02, "--stop-when", str(BELOW))
    assert count_trials(two.trials).running == 0
    assert table(two) == table(alone)
    assert two.user_attrs[STOPPED] == alone.user_attrs[STOPPED]


def test_what_was_lost_is_still_tried_again(replayed):
    """A worker was killed after the search had stopped: its trial had been begun before."""
    study = replay("lost", 200, URL, stop_when=BELOW)
    count = len(study.trials)
    study.add_trial(
        optuna.create_trial(
            state=TrialState.FAIL,
            user_attrs={"fail_reason": "killed", "ordinal": count},
            system_attrs={"fixed_params": study.trials[0].params},
        )
    )
    again = replay("lost", 200, URL, stop_when=BELOW)
    assert len(again.trials) == count + 2
    assert again.trials[-1].user_attrs["retry_of"] == count
    assert list(ordinals(again.trials).values()) == list(range(count + 1))


def test_the_commands(project, invoke):
    """Real training, and values that mean nothing."""
    write_preset(epochs=1)
    for value in ("0", "much"):
        refused = invoke("search", "run", "--study", "tiny", "--stop-when", value)
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr
    assert refused.stderr.count("Invalid value for '--stop-when'") == 1
    data = str(job(1).data)
    arguments = ["--study", "tiny", "--data", data, "--trials", "60"]
    done = invoke("search", "run", *arguments, "--stop-when", "0.9")
    assert done.returncode == 0, done.stderr
    assert "stopped early: the next 10 trials are expected to improve" in done.stdout
    status = invoke("search", "status", "--study", "tiny", "--json").stdout
    assert json.loads(status)["stopped"]["below"] == 0.9
    assert MIN_TRIALS <= json.loads(status)["finished"] < 60
    assert "stopped early" in invoke("search", "status", "--study", "tiny").stdout
    assert Path("studies/results/studies.db").exists()


def test_one_epoch_is_not_called_1_epochs():
    known = {"latest": 0.0, "shuffled": 0.0, "trials": 16, "ahead": 4, "budget": 1, "below": 0.1}
    assert "4 configurations with 1 epoch are expected" in stop_sentence(known)
