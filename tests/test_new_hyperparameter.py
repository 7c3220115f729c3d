"""A hyperparameter that is declared in the configuration is known everywhere, at once.

In a copy of the packages a line is added to `fmnist_model/config.py`, and nothing else.
"""

from __future__ import annotations

import shutil
import tomllib

import pytest

from tests.conftest import DATA, ROOT

BEFORE = "    seed: int = Field(0, ge=0, lt=2**31)\n"
DECLARED = """\
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Searchable(changes_step_cost=False)] = 0.0
    warmup: Annotated[int, Field(ge=0), Searchable("per_slot")] = 0
    optimizer: Annotated[Literal["sgd", "adam"], Searchable()] = "sgd"
"""
PRESET = """
[model]
filters = [4, 8]
dense_units = 16
[train]
batch_size = 100
epochs = 1
[data]
limit = 1000
[space]
optimizer = ["sgd", "adam"]
label_smoothing = {{ low = 0.0, high = {high} }}
warmup = {{ low = 0, high = {warmup} }}
dropout = {{ low = 0.0, high = 0.5 }}
"""


@pytest.fixture
def copied(project):
    """The three packages in the project directory, with three more hyperparameters."""
    for package in ("fmnist_model", "search", "studies"):
        ignored = shutil.ignore_patterns("__pycache__", "results")
        shutil.copytree(ROOT / package, project / package, ignore=ignored, dirs_exist_ok=True)
    config = project / "fmnist_model" / "config.py"
    before, after = config.read_text().split(BEFORE)
    config.write_text(before + DECLARED + BEFORE + after)
    return project


def write(project, high=0.5, warmup=5):
    (project / "studies" / "new.toml").write_text(PRESET.format(high=high, warmup=warmup))


@pytest.mark.slow
def test_it_is_searched_shown_and_exported(copied, command):
    write(copied)
    options = ["--study", "new", "--data", DATA]
    done = command("search", "run", *options, "--trials", "3", "--engine", "tensorflow")
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("trial   0"))
    assert line.index("dropout=") < line.index("label_smoothing=0.") < line.index("warmup=")
    assert "optimizer=" in line

    done = command("search", "export", "--study", "new")
    assert done.returncode == 0, done.stderr
    exported = tomllib.loads((copied / "studies/results/new/best.toml").read_text())["train"]
    assert 0 < exported["label_smoothing"] < 0.5
    assert exported["warmup"] in range(6)
    assert exported["optimizer"] in ("sgd", "adam")

    done = command("studies", "report", "--study", "new", "--no-copies")
    assert done.returncode == 0, done.stderr
    page = (copied / "studies/results/new/report.html").read_text()
    assert "sgd, adam" in page
    assert "0 to 0.5" in page


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"high": 1}, "space.label_smoothing: input should be less than 1, got 1.0"),
        ({"warmup": 2.5}, "space.warmup: expected whole numbers, got 2.5"),
    ],
)
def test_its_range_and_type_are_validated(copied, command, values, said):
    write(copied, **values)
    done = command("search", "run", "--study", "new")
    assert done.returncode == 2
    assert done.stderr == f"error: studies/new.toml: {said}\n"


def test_the_jax_engine_refuses_what_is_not_declared_for_it(copied, command):
    write(copied)
    done = command("search", "run", "--study", "new", "--engine", "population")
    assert done.returncode == 2
    assert "space.label_smoothing, space.optimizer would need a program for each" in done.stderr
