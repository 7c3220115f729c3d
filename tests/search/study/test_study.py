"""A study keeps the question that it was begun with, and refuses another."""

from __future__ import annotations

import optuna
import pytest

from search.presets.files import load_preset
from search.storage.connection import open_storage
from search.storage.errors import StorageError
from search.study.study import (
    StudyMismatchError,
    as_begun,
    check_data,
    is_begun,
    load_study,
    open_study,
)
from tests.conftest import PATHS
from tests.search.conftest import URL, write_preset


def begun(seed: int | None = None) -> optuna.Study:
    return open_study(open_storage(URL), "tiny", load_preset("tiny", PATHS.presets), seed)


def test_a_new_study_knows_its_preset_seed_and_versions(tiny):
    attributes = begun().user_attrs
    assert attributes["preset"] == load_preset("tiny", PATHS.presets).identity()
    assert attributes["seed"] == 648
    assert "optuna" in attributes["versions"]


def test_the_same_question_opens_it_again_with_its_own_seed(tiny):
    begun(seed=5)
    assert begun().user_attrs["seed"] == begun(seed=5).user_attrs["seed"] == 5


def test_another_question_is_refused(tiny):
    begun()
    write_preset(epochs=4)
    with pytest.raises(StudyMismatchError, match=r"train.epochs is 4, was 3; go back to them, or"):
        begun()
    write_preset(more="momentum = [0.0, 0.9]")
    with pytest.raises(StudyMismatchError, match=r"space.momentum.choices is .*, was 'absent'"):
        begun()
    write_preset()
    with pytest.raises(StudyMismatchError, match="seed is 5, was 648"):
        begun(seed=5)


def test_other_data_are_refused(tiny):
    study = begun()
    check_data(study, "a" * 64)
    check_data(study, "a" * 64)
    with pytest.raises(StudyMismatchError, match=r"SHA-256 b{12}..., was a{12}...; go back to"):
        check_data(study, "b" * 64)


def test_a_study_of_somebody_else_is_refused(tiny):
    foreign = optuna.create_study(storage=open_storage(URL), study_name="tiny")
    foreign.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(StudyMismatchError, match="was not made by this program"):
        begun()
    with pytest.raises(StudyMismatchError, match="was not made by this program"):
        load_study(open_storage(URL), URL, "tiny")


def test_a_study_that_is_not_there_is_told_with_those_that_are(tiny):
    begun()
    with pytest.raises(StorageError, match="there is no study 'paper'; it has tiny"):
        load_study(open_storage(URL), URL, "paper")


BUDGETS = "[search]\nbudgets = [1, 3]"
OBJECTIVE = '[objective]\nminimize = ["parameters"]\n'
PRUNER = '[pruner]\nname = "median"'


def test_a_study_that_was_begun_without_budgets_goes_on_as_it_began(tiny):
    write_preset(more=PRUNER)
    study = begun()
    write_preset(more=OBJECTIVE + BUDGETS)
    now = load_preset("tiny", PATHS.presets)
    begun()  # is not refused
    before = as_begun(study, now)
    assert (before.search, before.pruner.name) == (None, "median")
    assert before.identity() == study.user_attrs["preset"]
    write_preset(epochs=4, more="[search]")
    with pytest.raises(StudyMismatchError) as refused:
        begun()
    assert "train.epochs is 4, was 3; go back" in str(refused.value)
    assert "pruner" not in str(refused.value)


def test_one_that_was_begun_with_budgets_keeps_them(tiny):
    write_preset(more=BUDGETS)
    study = begun()
    now = load_preset("tiny", PATHS.presets)
    assert as_begun(study, now) is now
    write_preset(more=OBJECTIVE + BUDGETS)
    with pytest.raises(StudyMismatchError, match=r"objective.minimize is \['parameters'\], was"):
        begun()
    write_preset(more="[search]\nbudgets = [2, 3]")
    with pytest.raises(StudyMismatchError, match=r"search.budgets is \[2, 3\], was \[1, 3\]"):
        begun()
    write_preset(more=PRUNER)
    with pytest.raises(StudyMismatchError, match=r"search.budgets is 'absent', was \[1, 3\]"):
        begun()


def test_a_new_study_gets_further_attributes_and_one_that_is_there_does_not(tiny):
    preset = load_preset("tiny", PATHS.presets)
    assert not is_begun(open_storage(URL), "tiny")
    optuna.create_study(storage=open_storage(URL), study_name="tiny", direction="maximize")
    assert not is_begun(open_storage(URL), "tiny")
    open_study(open_storage(URL), "tiny", preset, None, {"more": 1})
    assert is_begun(open_storage(URL), "tiny")
    again = open_study(open_storage(URL), "tiny", preset, None, {"more": 2})
    assert again.user_attrs["more"] == 1


def test_a_prior_is_part_of_the_question_and_belongs_to_the_budgets(tiny):
    study = begun()
    believed = f"{BUDGETS}\n[prior]\ndropout = 0.1"
    write_preset(more=believed)
    begun()  # goes on as it began
    assert as_begun(study, load_preset("tiny", PATHS.presets)).prior is None
    optuna.delete_study(study_name="tiny", storage=open_storage(URL))
    write_preset(more=BUDGETS)
    begun()
    write_preset(more=believed)
    with pytest.raises(StudyMismatchError, match=r"prior.dropout.near is 0.1, was 'absent'"):
        begun()
