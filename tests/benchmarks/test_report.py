"""The benchmark of the report, on a study that is small. Slow: it starts a browser twice."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from benchmarks.report import app


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromedriver"), reason="chromedriver is not installed")
def test_it_measures_both_halves_and_scrolling():
    done = CliRunner().invoke(app, ["--study", "wide", "--trials", "30", "--rounds", "1"])
    assert done.exit_code == 0, done.output
    assert "report of 30 trials of wide" in done.output
    for words in ("studies report, s", "to the last figure, s", "both, s", "half of the frames"):
        assert words in done.output
    assert "goal < 15 s:" in done.output
