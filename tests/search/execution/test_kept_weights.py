"""Kept weights: longer runs go on from them, come to the same without them, and they stay few."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from benchmarks.standins.replay import Replay
from fmnist_model.config import TrainConfig
from fmnist_model.training.checkpoint import Checkpoint, CheckpointError, NetworkState
from fmnist_model.training.monitor import GradientMonitor
from fmnist_model.training.run_counts import RunCounts
from search.console.progress import Progress
from search.execution.job import SearchJob
from search.execution.kept_weights import (
    WRITING_SECONDS,
    KeptWeights,
    kept_weights,
    weights_folder,
)
from search.presets.files import load_preset
from search.study.runs import RunKey
from search.study.trial_record import TrialRecord
from tests.conftest import PATHS
from tests.search.conftest import quiet_progress, search, table, trial, write_preset

SEARCH = "\n[search]\nbudgets = [1, 2, 4]\nreduction_factor = 2\ngeneration = 4\n"


@pytest.fixture
def budgeted(project):
    write_preset(epochs=4, more=SEARCH)
    return project


def checkpoint(size: int = 10) -> Checkpoint:
    weights = [np.arange(size, dtype=np.float32)]
    return Checkpoint(
        {}, RunCounts(GradientMonitor(1.0)), NetworkState(weights, weights, np.zeros(2, np.int64))
    )


def run(key: RunKey, value: float | None = None, sha256: str | None = None, **more):
    planned = TrialRecord.of_plan(0, *key, 0, "new").attributes
    attributes = {**planned, "weights_sha256": sha256, **more}
    state = TrialState.PRUNED if value is None else TrialState.COMPLETE
    return trial(state, value, **attributes)


class Kept:
    """Weights in a folder of the test's own, and what is said of them."""

    def __init__(self, folder: Path, limit: int = 10**6) -> None:
        self.folder, self.said = folder, []
        self.weights = KeptWeights(folder, 16, limit)

    def keep(self, key: RunKey, size: int = 10) -> str | None:
        return self.weights.keep(key, checkpoint(size), self.said.append)

    def start_of(self, key: RunKey, trials) -> Checkpoint | None:
        return self.weights.start_of(key, trials, self.said.append)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*"))


def test_a_run_goes_on_from_the_longest_that_was_kept(tmp_path):
    kept = Kept(tmp_path / "weights")
    trials = []
    for size, key in enumerate([RunKey(3, 1), RunKey(3, 4), RunKey(3, 4, 1), RunKey(5, 8)], 1):
        trials.append(run(key, 0.5, kept.keep(key, size)))
    assert len(kept.start_of(RunKey(3, 16), trials).network.weights[0]) == 2
    assert len(kept.start_of(RunKey(3, 2), trials).network.weights[0]) == 1
    assert kept.start_of(RunKey(3, 1), trials) is None
    assert kept.start_of(RunKey(4, 16), trials) is None
    assert kept.said == []


def test_what_is_lost_or_damaged_is_said_and_not_used(tmp_path):
    kept, key = Kept(tmp_path / "weights"), RunKey(3, 1)
    trials = [run(key, 0.5, kept.keep(key))]
    (path,) = kept.folder.glob("*")
    path.write_bytes(path.read_bytes()[:-1])
    assert kept.start_of(RunKey(3, 4), trials) is None
    path.unlink()
    assert kept.start_of(RunKey(3, 4), trials) is None
    damaged, missing = kept.said
    assert damaged.startswith("it is trained from the beginning: ")
    assert "is damaged" in damaged
    assert "No such file" in missing


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "weights").write_text("a file where the folder should be")
    kept = Kept(tmp_path / "weights")
    assert kept.keep(RunKey(3, 1)) is None
    assert len(kept.said) == 1


def test_only_runs_that_may_go_on_are_kept(tmp_path):
    weights = Kept(tmp_path).weights
    constant, cosine = TrainConfig(schedule="constant"), TrainConfig(schedule="cosine")
    assert weights.wanted(RunKey(3, 4), constant)
    assert not weights.wanted(RunKey(3, 16), constant)
    assert not weights.wanted(RunKey(3, 4), cosine)


def test_a_file_is_dropped_once_the_run_that_continues_it_has_ended(tmp_path):
    kept = Kept(tmp_path)
    for key in (RunKey(3, 1), RunKey(5, 1), RunKey(5, 1, 1)):
        kept.keep(key)
    trials = [run(RunKey(3, 1), 0.5), run(RunKey(5, 1), 0.5), run(RunKey(5, 1, 1), 0.5)]
    kept.weights.tidy([*trials, trial(TrialState.RUNNING, **run(RunKey(5, 4)).user_attrs)])
    assert len(kept.files()) == 3
    kept.weights.tidy([*trials, run(RunKey(5, 4))])
    assert kept.files() == ["3-1-0.npz", "5-1-1.npz"]


def test_what_a_killed_worker_was_writing_is_dropped_after_a_while(tmp_path):
    kept = Kept(tmp_path)
    for age, name in enumerate((".3-1-0-17.npz", ".4-1-0-18.npz")):
        (tmp_path / name).write_bytes(b"half")
        then = time.time() - age * 2 * WRITING_SECONDS
        os.utime(tmp_path / name, (then, then))
    kept.weights.tidy([])
    assert kept.files() == [".3-1-0-17.npz"]


def test_if_there_is_too_much_the_worst_go_first_and_then_the_oldest(tmp_path):
    values = {RunKey(n, 1): value for n, value in enumerate([0.3, 0.1, None, 0.3, 0.2])}
    trials = [run(key, value) for key, value in values.items()]
    everything = Kept(tmp_path)
    for age, key in enumerate([*values, RunKey(9, 1)]):  # the last one has not ended yet
        everything.keep(key)
        os.utime(tmp_path / f"{key.configuration}-1-0.npz", (age, age))
    size = (tmp_path / "0-1-0.npz").stat().st_size
    left = {
        count: [int(name[0]) for name in limited.files()]
        for count in (4, 2, 1)
        if not (limited := Kept(tmp_path, count * size)).weights.tidy(trials)
    }
    assert left == {4: [0, 3, 4, 9], 2: [3, 9], 1: [9]}


def test_they_lie_beside_a_sqlite_file_or_where_the_job_says(budgeted):
    preset = load_preset("tiny", PATHS.presets)
    here = SearchJob(preset, "mine", "sqlite:///some/where.db", 1, weights=Path("w"))
    assert weights_folder(here) == Path("some/where.db.weights/mine")
    there = SearchJob(preset, "mine", "postgresql+psycopg://host/x", 1, weights=Path("w"))
    assert weights_folder(there) == Path("w/mine")
    assert weights_folder(SearchJob(preset, "mine", there.url, 1)) is None
    assert kept_weights(SearchJob(preset, "mine", there.url, 1)) is None
    write_preset()
    assert kept_weights(SearchJob(load_preset("tiny", PATHS.presets), "a", here.url, 1)) is None


class Continuing(Replay):
    """A stand-in that goes on from checkpoints, but from none at all if it is `other`."""

    can_continue = True

    def __init__(self, other: bool = False) -> None:
        super().__init__()
        self.other = other

    def run(self, model, train, report=None, *, start=None, keep=False):
        if start is not None and self.other:
            raise CheckpointError("it is another engine's")
        began = start.epoch if start is not None else 0
        result = super().run(model, train, lambda m: m.epoch > began and report(m))
        counts = RunCounts(GradientMonitor(10), history=list(result.history))
        made = replace(checkpoint(), counts=counts) if keep else None
        return replace(result, continued_from=began, checkpoint=made)


def test_a_continued_run_reports_the_epochs_before_it_too(budgeted):
    kept = search(14, load=lambda *_: Continuing())
    assert {TrialRecord.of(one).continued_from for one in kept.trials} == {None, 1, 2}
    other = "sqlite:///studies/results/other.db"
    assert table(kept) == table(search(14, load=lambda *_: Replay(), url=other))
    assert not list(Path("studies/results").glob("other.db.weights/*/*"))


def test_checkpoints_of_another_engine_are_not_used(budgeted):
    progress = quiet_progress()
    kept = search(14, load=lambda *_: Continuing(other=True), progress=progress)
    assert {TrialRecord.of(one).continued_from for one in kept.trials} == {None}
    other = "sqlite:///studies/results/other.db"
    assert table(kept) == table(search(14, load=lambda *_: Replay(), url=other))
    assert "from the beginning: it is another engine's" in progress.console.file.getvalue()
    notes = [TrialRecord.of(one).weights_note for one in kept.trials]
    continuing = [TrialRecord.of(one).role == "promotion" for one in kept.trials]
    assert [note is not None for note in notes] == continuing


class Losing(Progress):
    """Deletes all kept weights whenever a trial has ended."""

    def end(self, *arguments) -> None:
        for path in Path("studies/results").glob("*.weights/*/*"):
            path.unlink()
        super().end(*arguments)


@pytest.mark.slow
def test_a_search_that_loses_its_weights_comes_to_the_same(budgeted):
    """Continued runs equal runs from the first epoch to the last bit. Slow, as it really trains."""
    kept = search(14)
    records = [TrialRecord.of(one) for one in kept.trials]
    assert {record.continued_from for record in records} == {None, 1, 2}
    progress = Losing(quiet_progress().console)
    lost = search(14, progress=progress, url="sqlite:///studies/results/other.db")
    assert {TrialRecord.of(one).continued_from for one in lost.trials} == {None}
    assert table(lost) == table(kept)
    said = progress.console.file.getvalue()
    assert said.count("from the beginning") == sum(bool(r.continued_from) for r in records)
    curves = [[record.history for record in map(TrialRecord.of, s.trials)] for s in (kept, lost)]
    assert curves[0] == curves[1]
