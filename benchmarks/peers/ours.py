"""This toolkit's arms of `benchmarks.search`: one worker, and two workers with one thread each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.logged_progress import LoggedProgress, is_new
from benchmarks.peers.question import Log, Question
from benchmarks.tools.isolated import Isolated

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

WORKERS = 2
NAME = "ours"
Row = dict[str, Any]


def ours(question: Question, seed: int) -> Row:
    """This toolkit's search with its default settings, and a database on disk."""
    _load(question)
    log = Log()
    with tempfile.TemporaryDirectory() as folder:
        trials = _search(question, seed, _url(folder), log).get_trials(deepcopy=False)
    log.stuck = _stuck_seconds(trials)
    return log.row(*_best(trials, question))


def ours_by_two(question: Question, seed: int) -> Row:
    """The same with two workers of one thread each.

    They are processes of the benchmark's own, so that the clock can start when both have loaded
    data and libraries, as it does for the other arms.
    """
    from search.execution.local_pool import thread_settings
    from search.storage.connection import open_storage
    from search.study.study import open_study

    one, other = (Isolated(thread_settings(1)) for _ in range(WORKERS))
    with tempfile.TemporaryDirectory() as folder, one, other:
        url, preset, pair = _url(folder), question.load(), (one, other)
        study = open_study(open_storage(url, preset.workers.heartbeat), NAME, preset, seed)
        with ThreadPoolExecutor(WORKERS) as threads:
            list(threads.map(lambda process: process.call(_load, question), pair))
            log, began = Log(), time.perf_counter()
            found = threads.map(lambda process: process.call(_work, question, seed, url), pair)
            times, seen = zip(*sorted(epoch for worker in found for epoch in worker), strict=True)
        trials = study.get_trials(deepcopy=False)
        log.curve = [
            (round(at - began, 3), value)
            for at, value in zip(times, accumulate(seen, max), strict=True)
        ]
        log.configurations, log.stuck = sum(map(is_new, trials)), _stuck_seconds(trials) / WORKERS
        return log.row(*_best(trials, question))


def last(trial: FrozenTrial) -> float:
    """The last validation accuracy that a trial reported."""
    values = trial.intermediate_values
    return float(values[max(values)]) if values else 0.0


def _url(folder: str) -> str:
    return f"sqlite:///{Path(folder) / 'studies.db'}"


@cache
def _engine(question: Question) -> TensorFlowEngine:
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    return TensorFlowEngine(*question.data())


def _load(question: Question) -> None:
    _engine(question)


def _search(
    question: Question, seed: int, url: str, log: Log, is_secondary_worker: bool = False
) -> Study:
    from search.execution.job import SearchJob
    from search.execution.runner import run_search

    job = SearchJob(
        question.load(), NAME, url, question.trials, seed, is_secondary_worker=is_secondary_worker
    )
    return run_search(job, LoggedProgress(log), load=lambda *_: _engine(question))


def _work(question: Question, seed: int, url: str) -> list[tuple[float, float]]:
    """Search as one of two workers. For each epoch: its end by the clock that all processes
    share (Linux's monotonic clock), and the best accuracy that this worker had seen by then."""
    log, began = Log(), time.perf_counter()
    _search(question, seed, url, log, is_secondary_worker=True)
    return [(began + at, accuracy) for at, accuracy in log.curve]


def _stuck_seconds(trials: Sequence[FrozenTrial]) -> float:
    from search.study.trial_record import TrialRecord
    from search.study.trials import ending

    return sum(TrialRecord.of(t).seconds_trained for t in trials if ending(t) == "stuck")


def _best(trials: Sequence[FrozenTrial], question: Question) -> tuple[float, dict[str, Any]]:
    """The validation accuracy and the hyperparameters of what the search itself calls its best.

    In a search in budgets the accuracy is the expected one of the chosen configuration; where no
    trial has completed, it is the best by the last accuracy that it reported.
    """
    from search.study.winner import winner

    best = winner(trials, question.load())
    if best is not None:
        return best.value, best.trial.params
    longest = max(trials, key=last)
    return last(longest), longest.params
