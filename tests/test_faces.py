"""What a folder offers stands in its `__init__.pyi`; the rest is private by convention."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.module_graph import PACKAGES, offered

STUBS = sorted(stub for package in PACKAGES for stub in (ROOT / package).glob("*/__init__.pyi"))
FOLDERS = {".".join(stub.relative_to(ROOT).parts[:2]) for stub in STUBS}
ALLOWED = {("fmnist_model.dataset.fashion_mnist", "load_test")}
"""The test set is offered to nobody: the final evaluation knows where it is."""


def folder_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parts[:-1][:2])


def taken(path: Path) -> set[tuple[str, str]]:
    """What a file imports from folders of this project other than its own: (where from, name)."""
    return {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        if ".".join(node.module.split(".")[:2]) in FOLDERS - {folder_of(path)}
        for alias in node.names
    }


def test_every_folder_has_a_sentence_and_a_list_of_what_it_offers():
    folders = [
        path.parent for package in PACKAGES for path in (ROOT / package).glob("*/__init__.py")
    ]
    assert [folder / "__init__.pyi" for folder in sorted(folders)] == STUBS
    for folder in folders:
        sentence = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert sentence, folder
        assert "\n" not in sentence, folder


@pytest.mark.parametrize("package", PACKAGES)
def test_others_use_only_what_is_offered(package):
    wrong = [
        f"{path.relative_to(ROOT)}: {module}.{name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for module, name in sorted(taken(path) - ALLOWED)
        if module not in FOLDERS or name not in offered(module)
    ]
    assert wrong == []


def test_what_is_offered_is_used():
    used = {
        pair
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for pair in taken(path)
    }
    unused = [
        f"{folder_of(stub)}.{name}"
        for stub in STUBS
        for name in offered(folder_of(stub))
        if (folder_of(stub), name) not in used
    ]
    assert unused == []


def test_no_name_that_is_offered_is_also_a_module():
    """It would depend on the order of imports which of them the name stands for."""
    for stub in STUBS:
        modules = {path.stem for path in stub.parent.glob("*.py")}
        names = {
            name
            for name, module in offered(folder_of(stub)).items()
            if not module.endswith(f".{name}")
        }
        assert not names & modules, stub


@pytest.mark.parametrize("folder", sorted(FOLDERS - {"fmnist_model.jax_engine"}))
def test_what_is_offered_is_there(folder):
    found = importlib.import_module(folder)
    for name in offered(folder):
        assert getattr(found, name) is not None


def test_a_folder_alone_imports_none_of_its_modules():
    """What a command does not need costs it no time."""
    code = (
        "import sys, importlib\n"
        "for folder in sys.argv[2:]: importlib.import_module(folder)\n"
        "folders = set(sys.argv[2:]) | {folder.split('.')[0] for folder in sys.argv[2:]}\n"
        "ours = {name for name in sys.modules if name.split('.')[0] in sys.argv[1].split(',')}\n"
        "sys.exit(str(ours - folders) if ours - folders else 0)"
    )
    subprocess.run(
        [sys.executable, "-c", code, ",".join(PACKAGES), *sorted(FOLDERS)], cwd=ROOT, check=True
    )
