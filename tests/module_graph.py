"""Who imports whom in the three packages, read from the files without importing them."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import ROOT

PACKAGES = ("fmnist_model", "search", "studies")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def module_name(path: Path) -> str:
    """The dotted name of a file; that of a package is its folder's."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def imports(path: Path) -> set[str]:
    """Full names of all that a file imports, at whatever depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def offered(folder: str) -> dict[str, str]:
    """The names that a folder offers in its `__init__.pyi`, with the module each comes from."""
    stub = ROOT.joinpath(*folder.split("."), "__init__.pyi")
    if not stub.exists():
        return {}
    return {
        alias.name: f"{folder}.{node.module or alias.name}"
        for node in ast.parse(stub.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def module_of(name: str) -> str | None:
    """The module of the three packages that an imported name is or is in, if there is one."""
    while name and name not in MODULES:
        folder, _, last = name.rpartition(".")
        name = offered(folder).get(last, folder)
    return name or None


def imported_modules(path: Path) -> set[str]:
    """The modules of the three packages that a file imports."""
    return {found for name in imports(path) if (found := module_of(name))}


def a_circle(graph: dict[str, set[str]]) -> list[str]:
    """Names that import each other in a ring, in that order, or [] if there are none."""
    done: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := search(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := search(name, []))), [])


def helper(name: str) -> Path | None:
    """The file of `tests` or `benchmarks` that an imported name is or is in, if there is one."""
    while name.startswith(("tests.", "benchmarks.")):
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if path.exists():
            return path
        name = name.rpartition(".")[0]
    return None


def reached_modules(test: Path) -> set[str]:
    """The modules of the three packages that a test file imports, or that these import in turn.

    What helps it in `tests` and `benchmarks` counts as the test's own.
    """
    found: set[str] = set()
    seen: set[Path] = set()
    waiting = [test, *test.parent.glob("conftest.py")]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            found |= imported_modules(path)
            waiting += [MODULES[name] for name in imported_modules(path)]
            waiting += [other for name in imports(path) if (other := helper(name))]
    return found
