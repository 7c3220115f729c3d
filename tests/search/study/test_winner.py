"""The best of a study: a trial, or a configuration with what is known of it."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import create_trial

from search.presets.files import parse_preset
from search.study.runs import RunKey
from search.study.winner import (
    budgeted_preset,
    front_in_words,
    further_columns,
    further_figures,
    infeasible_in_words,
    seeds_in_words,
    winner,
    winner_of,
)
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


def test_the_reason_says_why_the_highest_mean_was_not_taken():
    best = winner(trials_of({1: [0.9005], 2: [0.8990, 0.8995, 0.9005, 0.9000]}), PRESET)
    assert best.standing.configuration == 2
    assert best.reason.startswith("within 0.002 of the highest mean, 0.90")
    assert best.reason.endswith(
        ", whose configuration 1 had too few seeds to be taken; not decided yet"
    )


def test_the_reason_says_what_an_almost_certain_best_lacks():
    best = winner(trials_of({1: [0.9, 0.9], 2: [0.5]}), PRESET)
    assert best.reason.endswith("; not decided before it has had 2 seeds of the race")
    assert "not decided" not in winner(trials_of({1: [0.9] * 3, 2: [0.5]}), PRESET).reason


# Further objectives

NEAR = {1: [0.93] * 4, 2: [0.9295] * 4}


def wanting(**objective):
    return parse_preset(PRESET.identity() | {"objective": objective}, "a preset")


def test_the_preset_or_who_asks_says_by_which_rule():
    trials = trials_of(NEAR, large=(1,))
    made = wanting(minimize=["parameters"], export="one_standard_error")
    assert winner(trials, made).trial.number == 4
    assert winner(trials, PRESET, "one_standard_error").trial.number == 4
    apart = trials_of({1: [0.93] * 4, 2: [0.90] * 3}, large=(1,))
    assert {winner(apart, made, rule).trial.number for rule in (None, "best")} == {0}


def test_the_reason_names_the_rule_and_what_is_known():
    trials = trials_of(NEAR, large=(1,))
    best = winner(trials, PRESET, "one_standard_error")
    assert best.reason.startswith("the one with the least parameters, 206,922, on the Pareto front")
    assert "within one standard error, 0.00" in best.reason
    assert best.reason.endswith("of the highest mean, 0.9300")
    undecided = winner(trials[:-1], PRESET, "one_standard_error")
    assert undecided.reason.endswith("of the highest mean, 0.9300; not decided yet")
    untested = winner(trials[:5], PRESET, "one_standard_error")
    assert untested.standing.configuration == 1
    assert untested.reason.endswith(
        "0.9300, but 1 of these had too few seeds to be taken; not decided yet"
    )


def test_the_front_is_said_in_a_sentence():
    best = winner(trials_of(NEAR, large=(1,)), wanting(minimize=["parameters", "train_seconds"]))
    assert front_in_words(best) == (
        "Pareto front of accuracy, parameters and train_seconds: "
        "1: 0.9300, 421,642 weights, 20 s of training; 2: 0.9295, 206,922 weights, 20 s of training"
    )
    assert further_columns(best) == ["train_seconds", "front"]
    assert further_figures(best, best.standings[0]) == ["20", "yes"]
    limited = winner(trials_of(NEAR), wanting(constraints=["train_seconds <= 30"]))
    assert further_columns(limited) == ["train_seconds"]
    plain = winner(trials_of(NEAR), PRESET)
    assert (further_columns(plain), further_figures(plain, plain.standing)) == ([], [])
    assert front_in_words(limited) is front_in_words(plain) is None


def test_what_is_not_measured_is_called_so():
    best = winner(trials_of(NEAR), wanting(minimize=["latency_ms"]))
    assert "not measured ms an image" in front_in_words(best)


def test_where_nothing_meets_the_constraints_there_is_no_best():
    trials, made = trials_of(NEAR, large=(1,)), wanting(constraints=["parameters <= 9"])
    assert winner(trials, made) is None
    assert infeasible_in_words(trials, made) == (
        "no configuration that was tried for 10 epochs meets parameters <= 9"
    )
    enough = wanting(constraints=["parameters <= 300000"])
    assert winner(trials, enough).standing.configuration == 2
    assert infeasible_in_words(trials, enough) is None
    assert infeasible_in_words([], made) is infeasible_in_words(trials, PRESET) is None


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
