"""The pages that the command line writes advise commands of make."""

from __future__ import annotations

import pytest

from studies.__main__ import _as_make
from studies.paper.arms import sweep_runs
from studies.report.commands import Command
from tests.conftest import PATHS
from tests.studies.conftest import store, trial
from tests.studies.fake_comparison import store_all


def test_commands_have_the_variables_that_were_given():
    worded = _as_make({"STUDY": "smoke", "NAME": None, "STORAGE": "sqlite:///x.db"})
    assert worded(Command("search", 8)) == "make search STUDY=smoke STORAGE=sqlite:///x.db TRIALS=8"
    assert worded(Command("evaluate")) == "make evaluate STUDY=smoke"
    assert worded(Command("paper")) == "make paper"


def test_the_report_advises_make(project, command):
    store([trial("completed", [0.8])])
    done = command("studies", "report", "--no-copies")
    assert done.returncode == 0, done.stderr
    page = (PATHS.results / "paper" / "report.html").read_text()
    for wanted in ("make search TRIALS=2", "make export", "make evaluate"):
        assert f"<code>{wanted}</code>" in page, wanted
    assert "run_search" not in page


@pytest.mark.slow
def test_the_page_on_the_paper_advises_make(project, command):
    """Slow, as a browser draws copies of all figures."""
    store_all(sweep_runs(range(10))[:27])
    done = command("studies", "paper", "--draw-only")
    assert done.returncode == 0, done.stderr
    page = (PATHS.results / "paper" / "paper.html").read_text()
    assert "runs; make paper goes on" in page
    assert "lack the 6 seeds that a test needs; make paper goes on" in page
