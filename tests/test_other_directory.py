"""The library works on a project in any directory: it leaves the current one alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.standins.replay import quiet
from fmnist_model.utils.paths import ProjectPaths
from search.execution.job import SearchJob
from search.execution.local_pool import WorkerSpec
from search.execution.runner import run_search
from search.presets.files import load_preset
from search.study.trials import count_trials
from tests.conftest import DATA, ROOT
from tests.faults.conftest import write_replay
from tests.faults.replay import replay_command
from tests.search.conftest import write_preset

SCRIPT = """
import sys
from pathlib import Path

from benchmarks.standins.replay import quiet
from fmnist_model.evaluation.final_evaluation import evaluate
from fmnist_model.utils.paths import ProjectPaths
from search.execution.job import SearchJob
from search.execution.runner import run_search
from search.presets.files import load_preset
from search.study.best_config import export
from studies.dashboard.annotations import annotate, artifact_store
from studies.report.write import write_report

paths, data = ProjectPaths(Path(sys.argv[1])), Path(sys.argv[2])
preset = load_preset("tiny", paths.presets)
job = SearchJob(preset, "mine", paths.default_url, 2, 1, data, data_home=paths.data)
study = run_search(job, quiet())
best = export(study, paths.default_url, paths.results)
print(best.relative_to(paths.results))
found = evaluate(best, 1, data, data_home=paths.data)
print(found["test_set_opened"])
annotate(study, artifact_store(paths.artifacts), print)
print(write_report("mine", paths.default_url, paths.results, print).page.read_text())
"""


@pytest.fixture
def elsewhere(tmp_path_factory):
    """A directory that nothing can be written to (by other users than root)."""
    folder = tmp_path_factory.mktemp("elsewhere")
    folder.chmod(0o555)
    yield folder
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)


def test_a_search_its_export_report_and_evaluation_happen_below_the_given_root(
    custom_data, project, elsewhere
):
    write_preset(epochs=1)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, project, custom_data],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine/best.toml\n1\n")
    assert "run_search(replace(job, trials=4), progress)" in done.stdout
    assert "make search" not in done.stdout
    assert {path.name for path in (project / "studies/results").iterdir()} >= {
        "artifacts",
        "mine",
        "studies.db",
    }
    assert list((project / "data/cache").glob("*.npz"))


def test_workers_run_in_the_directory_that_their_specification_names(
    project, elsewhere, monkeypatch
):
    write_replay()
    monkeypatch.chdir(elsewhere)
    paths = ProjectPaths(project)
    url = paths.default_url
    command = replay_command("pool", 4, 0)
    environment = {"STORAGE": url, "PYTHONPATH": str(ROOT)}
    spec = WorkerSpec(command, 2, environment, directory=project)
    preset = load_preset("replay", paths.presets)
    job = SearchJob(preset, "pool", url, 4, data=DATA, data_home=ROOT / "data")
    study = run_search(job, quiet(), spec)
    assert count_trials(study.trials).finished == 4
