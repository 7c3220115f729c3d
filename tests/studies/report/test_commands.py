"""If the caller does not word the commands, a page names Python calls of functions that exist."""

from __future__ import annotations

import re

import pytest

from fmnist_model.evaluation.final_evaluation import evaluate
from search.execution.runner import run_search
from search.study.best_config import export
from studies.paper.run import compare
from studies.report.commands import Command, as_python

CALLS = {"search": run_search, "export": export, "evaluate": evaluate, "paper": compare}


@pytest.mark.parametrize("name", CALLS)
def test_a_command_is_a_call_of_a_function_that_exists(name):
    said = as_python(Command(name, 100))
    assert re.match(r"\w+", said)[0] == CALLS[name].__name__
    assert ("100" in said) == (name == "search")
