"""Workers that begin together on a database that is not there yet."""

from __future__ import annotations

import os
import subprocess

from search.study.trials import count_trials
from tests.conftest import ROOT, postgresql_is_slow
from tests.faults.replay import replay_command
from tests.search.conftest import load


@postgresql_is_slow
def test_six_workers_make_the_database_and_the_study_together(replayed, url):
    """As an array job does: no parent has made them before."""
    environment = {**os.environ, "STORAGE": url, "PYTHONPATH": str(ROOT)}
    command = replay_command("together", 12, 0, "--parent", str(os.getpid()))
    started = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    assert [process.communicate(timeout=300)[1] for process in started] == [""] * 6
    trials = load("together", url).trials
    assert (len(trials), count_trials(trials).finished) == (12, 12)
