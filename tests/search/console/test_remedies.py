"""Errors as the command lines word them, in terms of make, and as a Python program sees them."""

from __future__ import annotations

import pytest

from fmnist_model.utils.errors import UserError
from fmnist_model.utils.remedies import Remedy
from search.algorithms.terminator import check_stop_when
from search.console.remedies import SEARCH_REMEDIES
from search.execution.engines import chosen_engine, loader
from search.presets.files import parse_preset
from search.storage.connection import open_storage


def preset(name: str, choices: list, **train):
    return parse_preset({"space": {name: choices}, "train": train}, "x.toml")


@pytest.mark.parametrize(
    ("act", "program", "command_line"),
    [
        (
            lambda: check_stop_when(2),
            "stop_when=2: it is an improvement of the validation accuracy",
            "STOP_WHEN=2: it is an improvement of the validation accuracy",
        ),
        (
            lambda: chosen_engine("population", preset("filters", [[4, 8], [8, 16]]), True),
            "the population engine: space.filters would need a program for each choice; fix it",
            "ENGINE=population: space.filters would need a program for each choice; fix it in the "
            "preset, or take ENGINE=tensorflow",
        ),
        (
            lambda: chosen_engine("population", preset("dropout", [0.1], flip=True), True),
            "the population engine does not know train.flip; leave it out of the preset",
            "ENGINE=population does not know train.flip; leave it out of the preset, or take "
            "ENGINE=tensorflow",
        ),
        (
            lambda: loader("tensorflow", 8),
            "slots are the population engine's; TensorFlow trains one trial after the other",
            "SLOTS= is for ENGINE=population; TensorFlow trains one trial after the other",
        ),
        (
            lambda: open_storage("studies.db"),
            "'studies.db' is not a database URL; an example is sqlite:///studies.db",
            "STORAGE='studies.db' is not a database URL; an example is "
            "sqlite:///studies/results/studies.db",
        ),
        (
            lambda: open_storage("nosuch://host/db"),
            "for PostgreSQL install the extra postgres",
            "for PostgreSQL run .venv/bin/pip install -c requirements.lock -e '.[postgres]'",
        ),
    ],
)
def test_the_two_messages_of_an_error(act, program, command_line):
    with pytest.raises(UserError) as caught:
        act()
    assert program in str(caught.value)
    assert command_line in caught.value.worded(SEARCH_REMEDIES)


def test_ray_is_installed_by_pip_on_the_command_line():
    said = UserError("no Ray", Remedy.INSTALL_RAY).worded(SEARCH_REMEDIES)
    assert said == (
        "LAUNCHER=ray needs Ray, which is not installed; run .venv/bin/pip install -c "
        "requirements.lock -e '.[ray]'"
    )
