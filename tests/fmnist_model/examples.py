"""Runs the examples in the docstrings of a module."""

from __future__ import annotations

import doctest
from importlib import import_module


def assert_examples_run(module: str) -> None:
    """There are examples, and each prints what it says."""
    result = doctest.testmod(import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
