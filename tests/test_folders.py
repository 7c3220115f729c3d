"""The folders of the three packages: who imports whom, how large they are, where the tests are.

The order of the folders is read from docs/architecture.md, so that the page says what holds.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.module_graph import (
    MODULES,
    PACKAGES,
    SOURCES,
    a_circle,
    imported_modules,
    reached_modules,
)

LARGEST_FOLDER = 14
"""So many files a folder may have: what a reader takes in at a glance, and a few more."""
TESTED_ELSEWHERE = {
    "search.execution.ray_pool": "tests/faults/test_ray.py",
    "search.execution.worker": "tests/search/execution/test_runner.py",
    "search.presets.defaults": "tests/search/study/test_study.py",
    "search.study.record_values": "tests/search/study/test_trial_record.py",
    "studies.paper.run": "tests/studies/paper/test_write.py",
    "studies.paper.sections": "tests/studies/paper/test_write.py",
    "studies.report.evaluation_figures": "tests/studies/report/test_evaluation.py",
    "studies.report.sections": "tests/studies/report/test_write.py",
}
"""Modules without a test file of their own, with the one that covers them."""
OF_SEVERAL_MODULES = {
    "tests/search/study/test_foreign_trials.py",
    "tests/search/study/test_old_study.py",
}
"""Test files that are named after what every command does with a study."""


def folder_order(package: str) -> list[set[str]]:
    """The files and folders of a package that stand side by side, the lowest first."""
    page = (ROOT / "docs/architecture.md").read_text()
    row = re.search(rf"^\| `{package}` \| (.*) \|$", page, re.MULTILINE)
    return [set(re.findall(r"`(\w+)(?:\.py)?`", part)) for part in row[1].split(";")]


def floor(module: str) -> int:
    """How high a module stands in its package. What the page does not name stands on top of it."""
    package, _, rest = module.partition(".")
    order = folder_order(package)
    folder = rest.partition(".")[0]
    return next((n for n, names in enumerate(order) if folder in names), len(order))


def folder_of(module: str) -> str:
    """The package and the folder, or file, right below it: `search.study`."""
    return ".".join(module.split(".")[:2])


def wrong_way(module: str, imported: str) -> bool:
    """Does the module import from a folder of its package that is not below its own?"""
    if module.split(".")[0] != imported.split(".")[0] or folder_of(module) == folder_of(imported):
        return False
    return floor(imported) >= floor(module)


def test_the_page_names_every_folder():
    for package in PACKAGES:
        folders = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        named = set().union(*folder_order(package))
        assert folders <= named
        assert all(f"{package}.{name}" in MODULES for name in named)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_folders_below_its_own(module):
    assert [name for name in imported_modules(MODULES[module]) if wrong_way(module, name)] == []


def test_no_files_import_each_other_in_a_circle():
    graph = {name: imported_modules(path) - {name} for name, path in MODULES.items()}
    assert a_circle(graph) == []


def test_there_are_two_levels_of_folders():
    assert [path for path in SOURCES if len(path.relative_to(ROOT).parts) > 3] == []


def test_a_folder_has_few_files():
    files = [
        path
        for package in PACKAGES
        for path in (ROOT / package).glob("*/*")
        if path.is_file() and path.stem != "__init__" and path.parent.name != "results"
    ]
    folders = Counter(str(path.parent.relative_to(ROOT)) for path in files)
    assert {name: n for name, n in folders.items() if n > LARGEST_FOLDER} == {}


# Where the tests are


def module_tested_by(path: Path) -> str:
    """The module that a test file is named after; what runs on JAX has a folder of its own."""
    parts = [part for part in path.relative_to(ROOT / "tests").parent.parts if part != "on_jax"]
    name = path.stem.removeprefix("test_")
    return ".".join([*parts, "__main__" if name == "main" else name])


TEST_FILES = [
    path for package in PACKAGES for path in (ROOT / "tests" / package).rglob("test_*.py")
]
TESTED = {module_tested_by(path) for path in TEST_FILES}


def test_every_test_file_is_named_after_a_module():
    others = {path for path in TEST_FILES if module_tested_by(path) not in MODULES}
    assert {str(path.relative_to(ROOT)) for path in others} == OF_SEVERAL_MODULES


def test_every_module_has_a_test_file():
    modules = {name for name, path in MODULES.items() if path.name != "__init__.py"}
    assert modules - TESTED == set(TESTED_ELSEWHERE)


@pytest.mark.parametrize("module", TESTED_ELSEWHERE)
def test_what_is_tested_elsewhere_is_imported_there(module):
    assert module in reached_modules(ROOT / TESTED_ELSEWHERE[module])


# The test can fail


@pytest.mark.parametrize(
    ("module", "imported", "wrong"),
    [
        ("search.storage.sql", "search.study.study", True),
        ("search.study.study", "search.storage.sql", False),
        ("search.study.study", "search.study.trials", False),
        ("search.study.study", "search.__main__", True),
        ("search.__main__", "search.execution.runner", False),
        ("fmnist_model.tensorflow_engine.engine", "fmnist_model.jax_engine.engine", True),
        ("studies.report.write", "search.execution.runner", False),
    ],
)
def test_what_goes_the_wrong_way_is_found(module, imported, wrong):
    assert wrong_way(module, imported) == wrong


def test_a_circle_is_found():
    assert a_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c"]
    assert a_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
