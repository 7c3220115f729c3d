"""Rules between the packages: who imports whom, who prints, who opens the test set.

Also: which files and make targets the documentation has to name, and what the lock has to cover.
"""

from __future__ import annotations

import ast
import itertools
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.module_graph import SOURCES, imports


def targets() -> list[str]:
    """The Makefile's targets that its help lists."""
    text = (ROOT / "Makefile").read_text()
    return re.findall(r"^([a-z-]+):.*  ## ", text, re.MULTILINE)


def variables() -> list[str]:
    """The Makefile's variables."""
    text = (ROOT / "Makefile").read_text()
    return re.findall(r"^(?:export )?([A-Z_]+) \?=", text, re.MULTILINE)


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    forbidden = {
        "fmnist_model": {"optuna", "search", "studies"},
        "search": {"studies", "tensorflow", "keras"},
        "studies": {"tensorflow", "keras"},
    }[package]
    assert not roots(path) & forbidden


def test_only_the_final_evaluation_opens_the_test_set():
    users = {p.relative_to(ROOT) for p in SOURCES if re.search(r"\bload_test\b", p.read_text())}
    assert users == {
        Path("fmnist_model/dataset/fashion_mnist.py"),
        Path("fmnist_model/evaluation/final_evaluation.py"),
    }
    readers = {p.relative_to(ROOT) for p in SOURCES if "t10k" in p.read_text()}
    assert readers == {
        Path("fmnist_model/dataset/fashion_mnist.py"),
        Path("fmnist_model/dataset/download.py"),
    }


def test_only_command_lines_print_or_exit():
    allowed = {"__main__.py", "cli.py", "progress.py"}
    for path in SOURCES:
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
        }
        if path.name not in allowed:
            assert not calls & {"print", "sys.exit", "exit"}, path


MAKE_WORDS = re.compile(
    rf"\bmake ({'|'.join(targets())})\b|\bof make\b|\b[A-Z]{{4,}}=|\.venv/"
    rf"|\b({'|'.join(set(variables()) - {'FROM'})})\b"
)
"""What only a command line may say: targets and variables of the Makefile. FROM without an equals
sign is a word of SQL."""


def speaks_make(path: Path) -> bool:
    """May this module speak of make?"""
    place = path.relative_to(ROOT)
    return path.name in ("__main__.py", "cli.py") or place.is_relative_to("search/console")


def strings(path: Path) -> set[str]:
    """All strings of a module, the docstrings among them."""
    found = (n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant))
    return {value for value in found if isinstance(value, str)}


def test_only_command_lines_speak_of_make():
    said = {
        f"{path.relative_to(ROOT)}: {found[0]!r}"
        for path in SOURCES
        if not speaks_make(path)
        for text in strings(path)
        if (found := MAKE_WORDS.search(text))
    }
    assert said == set()


def begins_here(call: ast.Call) -> bool:
    """Does the call look where the process happens to be?"""
    name = ast.unparse(call.func)
    if name in ("Path.cwd", "os.getcwd", "os.path.abspath"):
        return True
    if name != "Path":
        return False
    first = call.args[0] if call.args else ast.Constant("")
    return isinstance(first, ast.Constant) and not str(first.value).startswith("/")


def test_only_command_lines_begin_at_the_current_directory():
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in SOURCES
        if not speaks_make(path)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and begins_here(node)
    }
    assert found == set()


def test_nothing_is_pickled():
    for path in SOURCES:
        assert not imports(path) & {"pickle", "joblib", "cloudpickle", "marshal"}, path


def test_public_functions_have_docstrings():
    missing = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        if not node.name.startswith("_") and ast.get_docstring(node) is None
    ]
    assert missing == []


def test_make_alone_lists_every_target():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(targets()) > 8
    for target in targets():
        assert re.search(rf"^  {target} ", listed, re.MULTILINE), target


@pytest.mark.parametrize(("smi", "wanted"), [("exit 0", "'.'"), ("echo GPU 0", "'.[gpu]'")])
def test_the_gpu_extra_is_installed_where_nvidia_smi_answers(tmp_path, smi, wanted):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{smi}\n")
    tool.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"-c requirements.lock -e {wanted}" in planned


def test_the_readme_names_every_target():
    readme = (ROOT / "README.md").read_text()
    for target in targets():
        assert f"make {target}" in readme or target in ("help", "clean", "lock"), target


def test_the_architecture_page_names_every_file():
    """Under the heading of its folder."""
    page = (ROOT / "docs/architecture.md").read_text()
    for path in [*SOURCES, *(ROOT / "studies").glob("*.toml")]:
        if path.name == "__init__.py":
            continue
        folder = path.parent.relative_to(ROOT)
        if len(folder.parts) == 1:
            assert f"`{path.relative_to(ROOT)}`" in page, path
        else:
            section = page.split(f"### {folder}/\n")[1].split("\n## ")[0].split("\n### ")[0]
            assert f"`{path.name}`" in section, path


def test_the_lock_covers_the_dependencies():
    import tomllib

    locked = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    extras = [needs for name, needs in optional.items() if name not in ("peers", "dehb")]
    for requirement in [*project["dependencies"], *itertools.chain(*extras)]:
        name = re.match(r"[A-Za-z0-9-]+", requirement)[0]
        assert re.search(rf"^{name}(\[.*\])?==", locked, re.MULTILINE), name


def test_the_default_install_is_without_jax():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [name for name in project["dependencies"] if name.startswith("jax")]
    assert project["optional-dependencies"]["jax"] == ["jax"]
