"""A study that other programs have written to, in every way that we could think of.

Each command reads it, and what it says of the trials of the search is what it said before.
"""

from __future__ import annotations

import io
import json
from contextlib import suppress
from datetime import timedelta

import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from rich.console import Console

from benchmarks.standins.replay import Replay
from search.__main__ import _status
from search.console.progress import Progress, print_status
from search.execution.job import SearchJob, SearchStoppedError
from search.execution.runner import run_search
from search.presets.files import load_preset
from search.storage.optuna_internals import (
    storage_of,
    study_id,
    study_system_attrs,
    trial_id,
)
from search.study.best_config import export
from search.study.migrate import copy_study
from search.study.trial_record import RECORD_VERSION, TrialRecord
from search.study.trials import count_trials, is_lost
from studies.dashboard.annotations import annotate, artifact_store
from studies.report.write import draw_report
from tests.conftest import DATA, PATHS
from tests.search.conftest import URL, load, quiet_progress
from tests.search.study.conftest import OLD, add

NAN, INFINITY = float("nan"), float("inf")
NONSENSE = {
    **{"stop_reason": ["stuck"], "diagnosis": "dead", "recorded": True, "dead_fraction": "x"},
    **{"history": [1, 2], "epochs_run": "many", "steps_run": -3, "train_seconds": NAN},
    **{"images_per_second": [1], "engine": 3, "precision": 16, "device": {"a": 1}, "seed": "s"},
    **{"arm": ["a"], "ordinal": "first", "retry_of": [1], "fail_reason": 1, "error": {"a": 1}},
    **{"traceback": 1, "worker": "me", "record_version": "x"},
}
LATER = {
    **{"stop_reason": "bored", "diagnosis": {"kind": "new", "message": 5, "epoch": "x"}},
    **{"recorded": {"epoch": "1"}, "history": {"loss": [1]}, "epochs_run": 10**400, "ordinal": -4},
    **{"seed": 2**40, "train_seconds": INFINITY, "worker": {"host": "h"}, "record_version": 99},
}
ADAM = CategoricalDistribution(["adam", "sgd", None, 3])
WIDE = FloatDistribution(1e-40, 1e9, log=True)


def add_all(study: optuna.Study) -> None:
    """Trials of all states, with parameters, values and attributes of all kinds."""
    add(study, 0.99)
    for value in (INFINITY, -INFINITY, -5.0):
        add(study, value)
    add(study, 0.7, without=("dropout", "filters"))
    add(study, 0.71, without=tuple(study.trials[0].params))
    for choice in ("adam", None, 3):
        add(study, more={"optimizer": (choice, ADAM)})
    add(study, more={"value": (3.0, FloatDistribution(0, 9)), "trial": (1, IntDistribution(0, 9))})
    add(study, more={"learning_rate": (1e-30, WIDE)})
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING):
        for attributes in ({}, NONSENSE, LATER, {"epochs_run": 3}, {"steps_run": 3}):
            add(study, state=state, **attributes)
    for reason in ("stuck", "diverged"):
        add(study, state=TrialState.PRUNED, stop_reason=reason)
        add(study, state=TrialState.PRUNED, stop_reason=reason, diagnosis={"kind": "<b>"})
    for retry_of in (0, 10**6, len(study.trials) + 2):
        add(study, state=TrialState.FAIL, fail_reason="killed", retry_of=retry_of)
    add_out_of_range(study)


def add_out_of_range(study: optuna.Study) -> None:
    """A trial as `enqueue_trial` leaves it, which Optuna's own `add_trial` would refuse."""
    made = study.get_trials()[0]
    made.params["dropout"], made.user_attrs = 0.9, {"train_seconds": "long"}
    made.intermediate_values = {0: NAN, 7: INFINITY, 100_000: 0.3}
    made.datetime_complete = made.datetime_start - timedelta(hours=1)
    storage_of(study).create_new_trial(study_id(study), template_trial=made)


@pytest.fixture
def foreign(kept):
    add_all(kept)
    return kept


def test_status_counts_them_by_state_and_ranks_them_by_value(foreign):
    found = _status(foreign, foreign.get_trials())
    before = json.loads((OLD / "status.json").read_text())
    assert found["best"]["value"] == 0.99
    more = {name: found[name] - before[name] for name in ("completed", "pruned", "failed")}
    assert more == {"completed": 17, "pruned": 5, "failed": 5}
    ended = {name: found[name] - before[name] for name in ("stuck", "diverged", "lost", "running")}
    assert ended == {"stuck": 2, "diverged": 2, "lost": 3, "running": 5}
    assert found["epochs_run"] - before["epochs_run"] == 4 * 3  # one of each state names them
    assert found["train_seconds"] == before["train_seconds"]  # none names those
    console = Console(file=io.StringIO(), width=200)
    print_status(console, foreign)
    assert "0.9900" in console.file.getvalue()


def test_progress_shows_the_end_of_each(foreign):
    console = Console(file=io.StringIO(), width=200)
    trials = foreign.get_trials(deepcopy=False)
    progress = Progress(console)
    progress.begin(foreign, 99)
    progress.running([trial for trial in trials if trial.state == TrialState.RUNNING])
    for trial in trials:
        progress.end(trial, trials)
    assert console.file.getvalue().count("\ntrial ") == len(trials)


def test_the_report_and_its_tables_are_drawn(foreign):
    trials = foreign.get_trials(deepcopy=False)
    written = draw_report(foreign, PATHS.results, print, copies=False)
    page = written.page.read_text()
    assert "Of 1 that is proved; of 2 no diagnosis was recorded." in page
    assert "0.9900" in page
    csv, parquet = pd.read_csv(written.csv), pd.read_parquet(written.parquet)
    counts = count_trials(trials)
    assert len(csv) == len(parquet) == counts.finished + counts.failed
    old = pd.read_csv(OLD / "trials.csv")
    pd.testing.assert_frame_equal(csv[old.columns].head(len(old)), old, check_dtype=False)
    assert set(parquet["optimizer"].dropna()) == {"adam", "3"}
    assert set(parquet["params_value"].dropna()) == {3.0}


def test_the_dashboard_s_notes_are_written(foreign):
    annotate(foreign, artifact_store(PATHS.artifacts), print)
    kept = study_system_attrs(foreign)
    notes = " ".join(str(value) for key, value in kept.items() if "note_str" in key)
    assert "**stuck**: no diagnosis was recorded" in notes
    assert "**stuck**: \\<b\\>" in notes
    assert "**failed**: no reason was recorded" in notes
    assert "Best: **0.9900**" in notes


def test_the_best_is_exported(foreign):
    assert "trial = 16\n" in export(foreign, URL, PATHS.results).read_text()


def test_the_search_goes_on_and_tries_the_lost_again(kept):
    """With another engine, for what is trained is not the question here."""
    add_all(kept)
    end_the_running(kept)
    before = kept.get_trials(deepcopy=False)
    target = count_trials(before).finished + 5
    job = SearchJob(load_preset("kept", PATHS.presets), "kept", URL, target, data=DATA)
    with suppress(SearchStoppedError):  # what failed is tried again, too, and fails again
        run_search(job, quiet_progress(), load=lambda *_: Replay())
    made = [TrialRecord.of(trial) for trial in load("kept").trials[len(before) :]]
    lost = [trial.number for trial in before if is_lost(trial)]
    assert [record.retry_of for record in made[:4]] == sorted(set(lost) - {5, 6})
    assert {record.version for record in made} == {RECORD_VERSION}


def end_the_running(study: optuna.Study) -> None:
    """A search waits for what runs elsewhere, and a study in which any trial runs is not copied."""
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.RUNNING:
            storage_of(study).set_trial_state_values(trial_id(trial), TrialState.FAIL)


def test_a_copy_holds_all_of_them(kept):
    add_all(kept)
    end_the_running(kept)
    done = copy_study(URL, "sqlite:///other.db", "kept")
    assert done.trials == len(load("kept", "sqlite:///other.db").trials) == len(kept.trials)
