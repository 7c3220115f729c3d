"""Each remedy reads as Python for programs, and in words of make on each command line."""

from __future__ import annotations

import re

import pytest

from fmnist_model.utils.cli import REMEDIES
from fmnist_model.utils.errors import UserError
from fmnist_model.utils.remedies import Remedy
from search.console.remedies import SEARCH_REMEDIES
from studies.__main__ import STUDIES_REMEDIES
from tests.test_structure import MAKE_WORDS

ON_COMMAND_LINES = {**REMEDIES, **SEARCH_REMEDIES, **STUDIES_REMEDIES}
ONLY_FOR_PROGRAMS = {Remedy.GIVE_DATA_OR_HOME}
"""The command lines always have a data home."""
DETAILS = {
    "address": "ray://there",
    "below": 2.0,
    "directory": "data",
    "known": "paper",
    "names": "train.flip",
    "slots": 8,
    "timeout": "5s",
    "url": "studies.db",
}


@pytest.mark.parametrize("remedy", Remedy)
def test_a_program_reads_no_word_of_make(remedy):
    message = str(UserError("the problem", remedy, **DETAILS))
    assert "the problem" in message
    assert not MAKE_WORDS.search(message)


@pytest.mark.parametrize("remedy", set(Remedy) - ONLY_FOR_PROGRAMS, ids=lambda r: r.name)
def test_a_command_line_says_what_to_type(remedy):
    message = UserError("the problem", remedy, **DETAILS).worded(ON_COMMAND_LINES)
    assert re.search(
        r"\bmake \w+|[A-Z]{4,}=|\.venv/|--[a-z]+|\b(TRIALS|WORKERS)\b|preset|another sampler",
        message,
    )
    assert "{" not in message


def test_every_remedy_has_its_words_on_command_lines():
    assert set(ON_COMMAND_LINES) == set(Remedy) - ONLY_FOR_PROGRAMS
