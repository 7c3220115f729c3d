"""Enqueued trials, claimed by several processes: each once.

On SQLite it is slow: hundreds have to be claimed before a storage that fails at it is caught.
tests/search/storage/test_connection.py claims fewer, by threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter

import optuna
import pytest

from search.storage.connection import open_storage
from tests.conftest import ROOT

URL = "sqlite:///studies/results/studies.db"
QUEUED = 500

CLAIM = """
import sys, optuna
from search.storage.connection import open_storage
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = open_storage(sys.argv[1]) if sys.argv[2] == "ours" else sys.argv[1]
study = optuna.load_study(study_name="queue", storage=storage)
print("ready", flush=True)
sys.stdin.readline()
while (trial := study.ask()).number < int(sys.argv[3]):
    print(trial.number, flush=True)
"""


def claimed(kind: str, queued: int, url: str = URL) -> Counter[int]:
    """How often each of the enqueued trials was claimed, by four processes that begin at once."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=open_storage(url), study_name="queue")
    for number in range(queued):
        study.enqueue_trial({"x": number})
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, url, kind, str(queued)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    outputs: list[str] = []
    readers = [
        threading.Thread(target=lambda p=p: outputs.append(p.communicate("\n")[0]))
        for p in processes
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return Counter(int(number) for output in outputs for number in output.split())


@pytest.mark.slow
def test_none_of_500_is_claimed_twice(project):
    counts = claimed("ours", QUEUED)
    assert sorted(counts) == list(range(QUEUED))
    assert max(counts.values()) == 1


def test_nor_any_on_postgresql(project, postgres_url):
    counts = claimed("ours", 60, postgres_url)
    assert sorted(counts) == list(range(60))
    assert max(counts.values()) == 1


@pytest.mark.slow
def test_the_stock_storage_is_caught_at_it(project):
    """Were it not, the test above could not fail."""
    counts = claimed("stock", 200)
    assert sum(count > 1 for count in counts.values()) > 0
