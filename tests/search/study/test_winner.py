"""The best of a study: a trial, or a configuration with what is known of it."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import create_trial

from search.study.runs import RunKey
from search.study.winner import budgeted_preset, seeds_in_words, winner, winner_of
from tests.search.in_budgets import PRESET, default_params, run_trial, store_search


def trials_of(seeds: dict[int, list[float | None]], large: tuple[int, ...] = ()):
    """The trials of configurations at the top budget, from the values of their seeds."""
    keys = [(RunKey(c, 10, r), v) for c, values in seeds.items() for r, v in enumerate(values)]
    sizes = {True: "32-64", False: "16-32"}
    return [
        run_trial(
            key,
            value,
            "race" if key.replicate else "promotion",
            number,
            params=default_params(filters=sizes[key.configuration in large]),
        )
        for number, (key, value) in enumerate(keys)
    ]


def test_it_is_the_first_run_of_the_chosen_configuration_with_its_mean():
    best = winner(trials_of({4: [0.90, 0.91, 0.91], 5: [0.92, 0.88, 0.88]}), PRESET)
    assert (best.trial.number, best.value) == (0, pytest.approx(0.91))
    assert best.standing is best.standings[0]
    assert best.reason.startswith("the best with probability")


def test_of_a_study_without_budgets_it_is_the_best_trial():
    trials = trials_of({4: [0.90, 0.91], 5: [0.92]})
    best = winner(trials, None)
    assert (best.trial.number, best.value, best.standing) == (2, 0.92, None)
    assert winner([], PRESET) is None


def test_a_trial_that_was_added_by_hand_is_the_best_where_no_run_has_completed():
    assert winner([create_trial(value=0.7)], PRESET).value == 0.7
    assert winner([create_trial(value=0.99), *trials_of({4: [0.9]})], PRESET).value == 0.9


@pytest.mark.parametrize(
    ("seeds", "reason"),
    [
        ({1: [0.9] * 4, 2: [0.899] * 4}, "equal within 0.002 to all that may be the best, of"),
        ({1: [0.9] * 4, 2: [0.899] * 3}, "the smallest, with 206,922 weights, of those within"),
        ({1: [0.9] * 3, 2: [0.896] * 3}, "the best so far, with probability"),
    ],
)
def test_the_reason_says_what_is_known(seeds, reason):
    best = winner(trials_of(seeds, large=(1,)), PRESET)
    assert best.reason.startswith(reason)
    assert best.reason.endswith("not decided yet") == (not reason.startswith("equal"))


def test_seeds_that_did_not_complete_are_named():
    found = {
        one.configuration: one
        for one in winner(trials_of({1: [0.9], 2: [0.8, 0.8, None]}), PRESET).standings
    }
    assert seeds_in_words(found[1]) == "1 seed"
    assert seeds_in_words(found[2]) == "2 seeds, 1 not completed"


def test_only_a_study_of_ours_that_is_searched_in_budgets_has_such_a_preset(project):
    assert budgeted_preset(store_search()) == PRESET
    theirs = optuna.create_study(direction="maximize")
    theirs.set_user_attr("preset", "what they like")
    theirs.add_trial(create_trial(value=0.5))
    assert budgeted_preset(theirs) is None
    assert winner_of(theirs) is not None
