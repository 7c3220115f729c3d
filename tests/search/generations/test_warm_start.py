"""What a study takes over from another one, and what it refuses to."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from search.console.remedies import SEARCH_REMEDIES
from search.generations.warm_start import (
    TAKEN,
    WarmStart,
    WarmStartError,
    begun_from,
    best_params,
    check_begun_from,
    fitted,
)
from search.presets.files import parse_preset
from search.presets.preset import Preset
from search.presets.search_space import distributions
from search.storage.connection import open_storage
from search.storage.errors import StorageError
from search.study.study import open_study
from search.study.winner import winner_of
from tests.search.conftest import URL
from tests.search.in_budgets import PRESET, store_search
from tests.search.several_objectives import store_search_for_both

RATE = {"learning_rate": {"low": 0.1, "high": 0.2}}


def preset(space=None, **more) -> Preset:
    return parse_preset({"space": space or RATE, "search": {}, **more}, "x.toml")


def begin(source: str = "budgets", name: str = "new", made: Preset | None = None) -> WarmStart:
    return begun_from(source, open_storage(URL), URL, name, made or preset())


def store_plain(values, name: str = "plain") -> optuna.Study:
    """A study without budgets; trials without a value were pruned."""
    made = parse_preset({"space": RATE}, "x.toml")
    study = open_study(open_storage(URL), name, made, None)
    for number, value in enumerate(values):
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        params = {"learning_rate": 0.1 + number / 1000}
        study.add_trial(
            create_trial(state=state, value=value, params=params, distributions=distributions(made))
        )
    return study


def test_the_best_of_a_search_in_budgets_are_those_that_stand_first(project):
    study = store_search(open_storage(URL))
    best = best_params(study)
    assert best == [one.params for one in winner_of(study).standings][:TAKEN]
    assert 1 < len(best) <= TAKEN
    taken = begin(made=PRESET)
    assert (taken.study, taken.configurations) == ("budgets", best)


def test_the_best_of_another_search_are_its_best_trials(project):
    study = store_plain([0.5, None, 0.9] + [0.1] * 12)
    best = best_params(study)
    assert len(best) == TAKEN
    assert [params["learning_rate"] for params in best[:3]] == pytest.approx([0.102, 0.1, 0.103])


def test_what_does_not_fit_is_clipped_or_left_out():
    space = {
        "learning_rate": FloatDistribution(0.1, 0.2, log=True),
        "batch_size": IntDistribution(100, 500),
        "activation": CategoricalDistribution(["relu", "gelu"]),
        "filters": CategoricalDistribution(["16-32", "32-64"]),
        "momentum": FloatDistribution(0.0, 0.9),
        "kernel_size": IntDistribution(3, 5),
    }
    params = {"learning_rate": 0.5, "batch_size": 50, "activation": "tanh", "filters": "32-64"}
    params |= {"dropout": 0.3, "kernel_size": "5"}
    found = fitted(params, space)
    assert found == {"learning_rate": 0.2, "batch_size": 100, "filters": "32-64"}


def test_what_lies_between_two_steps_becomes_the_nearer_one():
    space = {
        "dropout": FloatDistribution(0.0, 0.5, step=0.1),
        "dense_units": IntDistribution(16, 64, step=16),
    }
    found = fitted({"dropout": 0.3916, "dense_units": 37}, space)
    assert found == pytest.approx({"dropout": 0.4, "dense_units": 32})
    assert all(space[name]._contains(value) for name, value in found.items())
    assert fitted({"dropout": 0.9, "dense_units": 99}, space) == {"dropout": 0.5, "dense_units": 64}


def test_it_is_kept_as_attributes_and_read_again(project):
    taken = WarmStart("old", [{"learning_rate": 0.1}])
    study = open_study(open_storage(URL), "new", preset(), None, taken.attributes)
    assert WarmStart.of(study) == taken
    assert WarmStart.of(store_plain([0.5])) is None
    assert taken.in_words() == "begun from the best configuration of study old"
    several = WarmStart("old", [{}] * 3)
    assert several.in_words() == "begun from the 3 best configurations of study old"


@pytest.mark.parametrize(
    ("source", "name", "made", "said"),
    [
        ("plain", "plain", preset(), "study 'plain' cannot be begun from itself"),
        ("empty", "new", preset(), "no trial of study 'empty' has completed, so there is nothing"),
        ("plain", "new", preset({"dropout": [0.1]}), "'plain' has no values for what is searched"),
        (
            "plain",
            "new",
            parse_preset({"space": RATE}, "x.toml"),
            "only a search in budgets can be begun from a study ('plain'); add the section",
        ),
        (
            "plain",
            "new",
            preset({"dropout": [0.1]}, sampler={"name": "grid"}),
            "the sampler grid tries every point",
        ),
    ],
)
def test_what_cannot_be_begun_is_one_sentence(project, source, name, made, said):
    store_plain([0.5])
    store_plain([None], "empty")
    with pytest.raises(WarmStartError) as caught:
        begin(source, name, made)
    assert said in str(caught.value)
    assert "FROM=" in caught.value.worded(SEARCH_REMEDIES)
    assert "\n" not in str(caught.value)


def test_a_study_of_which_nothing_meets_its_constraints_is_told_so(project):
    store_search_for_both(open_storage(URL), {"constraints": ["latency_ms <= 0.01"]}, 20)
    said = "study 'both': no configuration that was tried for 10 epochs meets latency_ms <= 0.01"
    with pytest.raises(WarmStartError, match=f"^{said}, so there is nothing to begin from"):
        begin("both")


def test_a_study_that_is_not_there_is_told_with_those_that_are(project):
    store_plain([0.5])
    with pytest.raises(StorageError, match="there is no study 'budgets'; it has plain"):
        begin()


def test_a_study_is_gone_on_with_from_the_same_one_alone(project):
    taken = WarmStart("old", [{"learning_rate": 0.1}])
    study = open_study(open_storage(URL), "new", preset(), None, taken.attributes)
    check_begun_from(study, "old")
    with pytest.raises(WarmStartError, match="'new' was begun from study 'old', not from 'other'"):
        check_begun_from(study, "other")
    with pytest.raises(WarmStartError, match="'plain' was begun from no other study, not from"):
        check_begun_from(store_plain([0.5]), "old")
