"""The tables of runs: frozen runs are continued to the last epoch, and test scores are added."""

from __future__ import annotations

import pytest

from search.execution.paired_runs import PairedRun
from studies.paper.arms import DROPOUT, RELU, SOFTMAX
from studies.paper.tables import curve_table, run_table
from tests.studies.fake_comparison import EPOCHS, judged, made_up

RUNS = [PairedRun(arm, 0.2, 0) for arm in (RELU, DROPOUT, SOFTMAX)]
TRIALS = [made_up(run) for run in RUNS]


def test_a_run_that_was_stopped_as_stuck_keeps_its_figures_to_the_last_epoch():
    curves = curve_table(TRIALS, EPOCHS).set_index("arm")
    assert len(TRIALS[0].user_attrs["history"]["loss"]) == 1
    stuck = curves.loc[RELU]
    assert stuck["epoch"].to_list() == list(range(1, EPOCHS + 1))
    explained = TRIALS[0].user_attrs["diagnosis"]["explained_loss"]
    assert stuck["loss"].to_list()[1:] == [explained] * (EPOCHS - 1)
    assert stuck["val_accuracy"].nunique() == 1
    assert len(curves.loc[SOFTMAX]) == EPOCHS


def test_a_row_a_run_with_its_test_figures_where_there_are_any():
    runs = run_table(TRIALS, list(judged(RUNS[1:]))).set_index("arm")
    assert runs["ending"].to_dict() == {
        RELU: "stuck",
        DROPOUT: "stuck, let go on",
        SOFTMAX: "completed",
    }
    assert runs["test_accuracy"].isna().to_dict() == {RELU: True, DROPOUT: False, SOFTMAX: False}
    last = TRIALS[2].user_attrs["history"]["val_accuracy"][-1]
    assert runs.loc[SOFTMAX, "val_accuracy"] == last
    assert runs.loc[SOFTMAX, "test_accuracy"] == pytest.approx(last - 0.005)
