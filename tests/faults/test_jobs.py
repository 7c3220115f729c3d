"""The Slurm and Kubernetes jobs of docs/distributed.md, run as their schedulers run them.

Slow, as they really train. tests/test_docs.py checks their commands without running them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from search.study.trials import count_trials
from tests.conftest import DATA, ROOT
from tests.faults.test_workers import running, wait_until
from tests.pages import block
from tests.search.conftest import load


@pytest.fixture
def home(project, monkeypatch):
    """A home directory in which the project is where the script looks for it."""
    home = project / "home"
    home.mkdir()
    (home / "fmnist-search").symlink_to(project)
    (project / ".venv").symlink_to(ROOT / ".venv")
    (project / "data").mkdir()
    (project / "data/fashion-mnist").symlink_to(DATA)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return home


def end_in_a_trial(workers: list[subprocess.Popen[bytes]], url: str) -> None:
    """SIGTERM while each is at work: they end by themselves, and nothing is left behind."""
    wait_until(lambda: len(running("smoke", url)) == len(workers))
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(300) for worker in workers] == [130] * len(workers)
    counts = count_trials(load("smoke", url).trials)
    assert (counts.running, counts.failed) == (0, 0)
    assert counts.lost <= len(workers)  # fewer where one was between two trials


@pytest.mark.slow
def test_the_array_job(home, postgres_url):
    """Two of its tasks; a small study instead of the wide one."""
    script = block("distributed.md", "sh", "#SBATCH")
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    body = script.replace("--study wide", "--study smoke")
    body = re.sub(r"STORAGE=\S+", f"STORAGE='{postgres_url}'", body)
    Path("job.sh").write_text(body)
    tasks = [
        subprocess.Popen(
            ["sh", str(Path("job.sh").resolve())],
            cwd="/",
            env={**os.environ, "SLURM_ARRAY_TASK_ID": str(task)},
            stdout=subprocess.DEVNULL,
        )
        for task in (1, 2)
    ]
    end_in_a_trial(tasks, postgres_url)


@pytest.mark.slow
def test_the_manifest(home, postgres_url):
    job = yaml.safe_load(block("distributed.md", "yaml", "kind: Job"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "OnFailure"
    (container,) = pod["containers"]
    command = ["smoke" if word == "wide" else word for word in container["command"]]
    assert all(isinstance(word, str) for word in command)
    worker = subprocess.Popen(
        command, env={**os.environ, "STORAGE": postgres_url}, stdout=subprocess.DEVNULL
    )
    end_in_a_trial([worker], postgres_url)
