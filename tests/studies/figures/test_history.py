"""The data of the optimisation history, the training curves and the timeline."""

from __future__ import annotations

from datetime import timedelta

import pytest

from studies.figures import history
from studies.figures.trial_frame import trial_table
from tests.studies.conftest import BEGAN, RISING, one_of_each, store, trial

LINES_POINTS = "lines+markers"


def test_the_best_so_far_never_falls(project):
    table = trial_table(store([trial("completed", [v]) for v in (0.5, 0.8, 0.7, 0.9)]).trials)
    assert history.history_data(table).best["best"].to_list() == [0.5, 0.8, 0.8, 0.9]


def test_stuck_curves_end_at_the_step_where_they_were_stopped(project):
    data = history.curves_data(store(one_of_each()).trials)
    assert data.best["value"].to_list() == RISING
    assert data.ends["ending"].to_list() == ["stuck", "diverged"]
    # 6 steps of 48 an epoch, as the others tell; the diverged one made all of its epoch's.
    assert data.ends["epoch"].to_list() == pytest.approx([6 / 48, 1])
    assert data.ends["text"][0] == "trial 1: stuck at step 6"


def test_a_curve_of_one_epoch_can_be_seen(project):
    """Of a single point a line shows nothing."""
    whole = [trial("completed", RISING, n) for n in (0, 1)]
    for trials, mode in ((whole, "lines"), ([*whole, trial("completed", [0.4], 2)], LINES_POINTS)):
        figure = history.draw_curves(history.curves_data(store(trials, memory=True).trials))
        assert next(trace.mode for trace in figure.data if trace.name == "completed") == mode


def at(minutes: float, pid: int, seconds: float = 60):
    """A trial that began this many minutes after the first one, in the process of this number."""
    made = trial("completed", RISING)
    made.datetime_start = BEGAN + timedelta(minutes=minutes)
    made.datetime_complete = made.datetime_start + timedelta(seconds=seconds)
    made.user_attrs["worker"] = {"host": "here", "pid": pid, "started": 0}
    return made


def test_pauses_are_cut_out_of_the_timeline(project):
    trials = [at(0, 1), at(1, 1), at(0.5, 2), at(600, 3), at(601, 3)]
    data = history.timeline_data(trial_table(store(trials).trials))
    assert data.pauses["seconds"].to_list() == [598 * 60]
    assert data.pauses["start"].to_list() == [120]
    assert data.spent == 240
    assert sorted(data.bars["start"]) == [0, 30, 60, 120, 180]


def test_a_process_takes_the_row_of_one_that_has_ended(project):
    trials = [at(0, 1), at(1, 1), at(0.5, 2), at(2, 3), at(2, 4), at(2, 5)]
    bars = history.timeline_data(trial_table(store(trials).trials)).bars
    process = bars["text"].str.extract(r"here:(\d)")[0]
    assert bars["lane"].groupby(process).unique().explode().to_dict() == {
        **{"1": 1, "2": 2, "3": 1, "4": 2, "5": 3}
    }
