"""What is wrong with what a page says: a sentence for a command, file, module or link, or None."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from tests.conftest import ROOT
from tests.pages import anchors

SHELL = {"cd", "cp", "export", "gunzip", "mkdir", "timeout"}
"""Commands of the system that the pages use; what they are given is not checked."""
PACKAGES = ("benchmarks", "fmnist_model", "search", "studies", "tests")
WRITTEN = {
    "best.toml",
    "evaluation.json",
    "fashion-mnist_test.csv",
    "fashion-mnist_train.csv",
    "model.keras",
    "paper.html",
    "predictions.npz",
    "report.html",
    "trials.csv",
    "trials.parquet",
}
"""Files that commands write or users bring, which are not in the repository."""
NOT_KEPT = ("studies/results", "data/", "~/")
"""Where git keeps nothing."""
FILE = re.compile(r"[\w.*<>~-]+\.(py|md|toml|json|jsonl|txt|lock|html|svg|npz|keras|csv|parquet)")
PATH = re.compile(r"(~|\w[\w.-]*)(/[\w.<>*-]+)+/?|[a-z_]+/")
MODULE = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+")


def fault_of_command(words: list[str]) -> str | None:
    """What is wrong with a command."""
    while (words and re.fullmatch(r"[A-Z_]+=.*", words[0])) or words[:1] == ["exec"]:
        words = words[1:]  # variables of the environment come first
    if words[:1] == ["timeout"]:
        words = words[words.index("make") :]
    match words:
        case ["make", *arguments]:
            return fault_of_make(arguments)
        case [program, "-m", module, *arguments] if program.endswith("python"):
            return fault_of_module(module, arguments)
        case [program, "install" | "download", *arguments] if program.endswith("pip"):
            return fault_of_pip(arguments)
        case [program, *_] if program in SHELL:
            return None
    return f"not known: {' '.join(words)}"


def fault_of_make(arguments: list[str]) -> str | None:
    makefile = (ROOT / "Makefile").read_text()
    variables = set(re.findall(r"^(?:export )?([A-Z_]+) \?=", makefile, re.MULTILINE))
    for argument in arguments:
        name, given, _ = argument.partition("=")
        if given and name not in variables:
            return f"the Makefile has no variable {name}"
    plan = subprocess.run(
        ["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return plan.stderr if plan.returncode else None


def fault_of_module(module: str, arguments: list[str]) -> str | None:
    """The command line of the module parses the arguments, and runs nothing."""
    found = find_spec(module)
    if found is None:
        return f"there is no module {module}"
    name = module if found.submodule_search_locations is None else f"{module}.__main__"
    command: Any = typer.main.get_command(import_module(name).app)
    while hasattr(command, "commands") and arguments and not arguments[0].startswith("-"):
        if arguments[0] not in command.commands:
            return f"python -m {module} has no command {arguments[0]}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    try:
        command.make_context(module, [*arguments])
    except Exception as error:  # of click, which is a private part of typer
        return error.format_message() if hasattr(error, "format_message") else str(error)
    return None


def fault_of_pip(arguments: list[str]) -> str | None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if before in ("-c", "-r") and not (ROOT / argument).is_file():
            return f"there is no {argument}"
        extras = re.fullmatch(r"\.\[(.*)\]", argument)
        for extra in extras[1].split(",") if extras else ():
            if extra not in project["optional-dependencies"]:
                return f"there is no extra {extra}"
    return None


def fault_of_name(name: str) -> str | None:
    """What is wrong with what stands in backticks, if it is a file, a path or a module."""
    if MODULE.fullmatch(name):
        return fault_of_dotted(name)
    if name in WRITTEN or name.startswith(NOT_KEPT) or "<" in name:
        return None
    if PATH.fullmatch(name):
        return None if (ROOT / name).exists() else f"there is no {name}"
    if FILE.fullmatch(name):
        return None if name in file_names() else f"no file is called {name}"
    return None


def file_names() -> set[str]:
    folders = [ROOT / name for name in (*PACKAGES, "docs")]
    inside = {path.name for folder in folders for path in folder.rglob("*.*")}
    return inside | {path.name for path in ROOT.iterdir()}


def fault_of_dotted(name: str) -> str | None:
    """The longest beginning that is a module or package; what follows is a name within it."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:end])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                inner = parts[end : end + 1]
                if not inner or inner[0] in names_defined(path):
                    return None
                return f"{path.relative_to(ROOT)} defines no {inner[0]}"
    return f"there is no module {name}"


def names_defined(path: Path) -> set[str]:
    """Functions, classes, methods and variables of a file, and what a package re-exports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom) and path.name == "__init__.py":
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def fault_of_link(page: Path, link: str) -> str | None:
    file, _, anchor = link.partition("#")
    target = page.parent / file if file else page
    if not target.exists():
        return f"there is no {link}"
    if anchor and anchor not in anchors(target):
        return f"{target.name} has no heading for #{anchor}"
    return None
