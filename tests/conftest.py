"""What the tests share: the real data, one engine, a project directory, and the command lines."""

from __future__ import annotations

import doctest
import os
import runpy
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from benchmarks.tools.postgres import CAREFREE, database, programs, server
from fmnist_model.utils.paths import ProjectPaths

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data" / "fashion-mnist"
PATHS = ProjectPaths(Path())
"""The project in the current directory, as command lines see it."""

Command = Callable[..., "subprocess.CompletedProcess[str]"]

postgresql_is_slow = pytest.mark.parametrize(
    "url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True
)
"""For tests that take seconds on each database: on SQLite they are quick, on PostgreSQL slow."""


@pytest.fixture(scope="session")
def everything():
    """The 60,000 real training images, fetched if they are not there."""
    from fmnist_model.dataset.fashion_mnist import load_train

    return load_train(None, print, ROOT / "data")


@pytest.fixture(scope="session")
def few(everything):
    """2,000 training and 500 validation images."""
    from fmnist_model.dataset.fashion_mnist import split

    return split(everything, 2000)


@pytest.fixture(scope="session")
def engine(few):
    """An engine on few images, whose programs the tests share as trials do."""
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    return TensorFlowEngine(*few)


@pytest.fixture(scope="session")
def postgres():
    """The socket's directory of a PostgreSQL server that is the tests' own."""
    binaries = programs()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (Debian's package is postgresql)")
    with server(binaries, CAREFREE) as socket:
        yield socket


@pytest.fixture
def postgres_url(postgres) -> str:
    """The URL of an empty PostgreSQL database."""
    return database(postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, project) -> str:
    """The URL of a database that is not there yet or empty, of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return "sqlite:///studies/results/studies.db"


@pytest.fixture
def project(tmp_path, monkeypatch, everything):
    """An empty project directory with the presets, as the working directory; data by DATA=."""
    (tmp_path / "studies" / "results").mkdir(parents=True)
    for preset in (ROOT / "studies").glob("*.toml"):
        shutil.copy(preset, tmp_path / "studies")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_idx(folder: Path, part: str, images) -> None:
    """Write images as a pair of IDX files; `part` is "train" or "t10k"."""
    folder.mkdir(exist_ok=True)
    count = len(images.labels)
    header = struct.pack(">4I", 2051, count, 28, 28)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.pixels.tobytes())
    header = struct.pack(">2I", 2049, count)
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + images.labels.tobytes())


@pytest.fixture
def custom_data(project, few) -> Path:
    """Real images in other roles: 2,000 to train on, and 500 that play the test set's part.

    So no test ever opens the real test set.
    """
    write_idx(project / "custom", "train", few[0])
    write_idx(project / "custom", "t10k", few[1])
    return project / "custom"


def run_examples(function: Callable[..., object]) -> int:
    """Run the examples in a function's docstring in a namespace of their own; how many there are.

    They read and write files in the current directory.
    """
    finder = doctest.DocTestFinder(recurse=False)
    (examples,) = finder.find(function, function.__name__, globs={})
    outcome = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples)
    assert outcome.failed == 0, f"the examples of {function.__name__} fail; see the output"
    return outcome.attempted


@pytest.fixture
def command(project) -> Command:
    """Runs `python -m ...` in the project directory, as a user would."""

    def run(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def invoke(project) -> Command:
    """Runs in this process what `python -m ...` would run, in a fraction of the time.

    Its exit code and what it writes to stdout and stderr are those of the command line. What a new
    process alone can show, such as what is imported, tests by `command`.
    """

    def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        path = ROOT.joinpath(*module.split("."), "__main__.py")
        words = [str(path), *map(str, arguments)]
        code = 0
        with (
            patch.object(sys, "argv", words),
            patch.dict(os.environ),
            redirect_stdout(StringIO()) as stdout,
            redirect_stderr(StringIO()) as stderr,
        ):
            try:
                runpy.run_path(str(path), run_name="__main__")
            except SystemExit as ended:
                code = ended.code or 0
        return subprocess.CompletedProcess(words, code, stdout.getvalue(), stderr.getvalue())

    return run
