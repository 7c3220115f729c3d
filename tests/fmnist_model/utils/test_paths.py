"""A project's places lie below its root, and the default database among its results."""

from __future__ import annotations

from pathlib import Path

from fmnist_model.utils.paths import ProjectPaths
from search.storage.connection import sqlite_file


def test_the_current_directory_gives_relative_paths():
    here = ProjectPaths(Path())
    assert str(here.data) == "data"
    assert str(here.presets) == "studies"
    assert str(here.artifacts) == "studies/results/artifacts"
    assert str(here.weights) == "studies/results/weights"
    assert here.default_url == "sqlite:///studies/results/studies.db"


def test_any_other_root_gives_paths_below_it():
    there = ProjectPaths(Path("/srv/project"))
    assert there.data == Path("/srv/project/data")
    assert sqlite_file(there.default_url) == Path("/srv/project/studies/results/studies.db")
