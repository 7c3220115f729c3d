"""Runs a search: opens the study, picks up what was lost, and adds trials until it has enough."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import optuna
from optuna.samplers import GridSampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from fmnist_model.errors import UserError
from fmnist_model.quiet import native_log_hidden
from search.objective import (
    WORKER,
    Interrupted,
    Objective,
    TrialFailedError,
    failure,
    is_gone,
    this_process,
)
from search.preset import Preset
from search.progress import Progress
from search.pruning import make_pruner
from search.sampling import KillProofSampler, make_sampler
from search.space import stored
from search.storage import faults_explained, open_storage
from search.study import check_data, open_study
from search.trials import (
    ARM,
    FAIL_REASON,
    RETRY_OF,
    ending,
    is_finished,
    is_lost,
    next_retry,
    ordinal,
)

MAX_FAILURES = 3
"""So many failed trials in a row end the search."""


class SearchStoppedError(UserError):
    """The search ended early for a reason of its own, which the message gives."""

    exit_code = 1


@dataclass(frozen=True)
class Order:
    """What to search: `trials` is how many finished ones the study shall have in the end."""

    preset: Preset
    name: str
    url: str
    trials: int
    seed: int | None = None
    data: Path | None = None


def run_search(order: Order, progress: Progress) -> Study:
    """Search until the study has `order.trials` finished trials; return it.

    Going on with a study that has some is the same as never having stopped. Raises Interrupted
    after Ctrl-C or SIGTERM, SearchStoppedError after three failures in a row.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(order.url)
    with faults_explained(order.url), _interruptible(progress) as interrupted:
        study = open_study(storage, order.name, order.preset, order.seed)
        study.pruner = make_pruner(order.preset)
        _mark_killed(study, storage, progress)
        if _finished(study) < order.trials:
            _Search(order, study, progress, interrupted).run()
        return study


class _Flag:
    """Set by a signal, read between epochs."""

    def __init__(self) -> None:
        self.set = False

    def __call__(self) -> bool:
        return self.set


@contextmanager
def _interruptible(progress: Progress) -> Iterator[_Flag]:
    flag = _Flag()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if flag.set:
            raise KeyboardInterrupt
        flag.set = True
        progress.say("stopping after the epoch in hand; press Ctrl-C again to stop at once")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _mark_killed(study: Study, storage: RDBStorage, progress: Progress) -> None:
    """Fail the trials whose process is gone; those of a living process are left alone."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if is_gone(trial.user_attrs.get(WORKER)):
            storage.set_trial_user_attr(trial._trial_id, FAIL_REASON, "killed")
            study.tell(trial.number, state=TrialState.FAIL)
            progress.say(f"trial {trial.number} was killed; it will be tried again")
        else:
            worker = trial.user_attrs.get(WORKER, {})
            progress.say(
                f"trial {trial.number} is left alone: it runs in process {worker.get('pid')} on "
                f"{worker.get('host')}, as far as can be told from here"
            )


def _finished(study: Study) -> int:
    return sum(is_finished(trial) for trial in study.get_trials(deepcopy=False))


class _Search:
    """The loop over trials, on an engine that has its data loaded."""

    def __init__(self, order: Order, study: Study, progress: Progress, interrupted: _Flag) -> None:
        self.order, self.study, self.progress = order, study, progress
        self.interrupted = interrupted
        self.seed = int(study.user_attrs["seed"])
        self.failures = 0

    def run(self) -> None:
        make_sampler(self.order.preset, self.seed, 0)  # what it lacks shows before data is loaded
        objective = self._objective()
        self.progress.begin(self.study, self.order.trials)
        while _finished(self.study) < self.order.trials:
            if self.interrupted():
                raise Interrupted
            trials = self.study.get_trials(deepcopy=False)
            place = ordinal(_next_number(trials), trials)
            self.study.sampler = make_sampler(self.order.preset, self.seed, place)
            if self._grid_is_exhausted(trials):
                self.progress.say("every point of the grid has been tried")
                return
            self._enqueue_next(trials)
            self.study.optimize(
                objective, n_trials=1, catch=(TrialFailedError,), callbacks=[self._judge]
            )

    def _objective(self) -> Objective:
        from fmnist_model.data import load_train, split

        started = time.perf_counter()
        self.progress.say("loading the data and TensorFlow")
        limit = self.order.preset.data.limit
        train, validation = split(load_train(self.order.data, self.progress.say), limit)
        check_data(self.study, train.sha256)
        with native_log_hidden():
            from fmnist_model.training import Engine

            engine = Engine(train, validation)
        self.progress.say(
            f"{len(train):,} training and {len(validation):,} validation images on "
            f"{engine.device}, ready after {time.perf_counter() - started:.0f} s"
        )
        progress = self.progress
        return Objective(
            self.order.preset, self.seed, engine, progress.start, progress.epoch, self.interrupted
        )

    def _enqueue_next(self, trials: list[FrozenTrial]) -> None:
        """Put the next trial into the queue: a lost one again, an arm, or one to be sampled.

        Each begins its life there, so that even a kill during sampling leaves its owner's name.
        """
        if any(trial.state == TrialState.WAITING for trial in trials):
            return
        user_attrs: dict[str, Any] = {WORKER: this_process()}
        system_attrs: dict[str, Any] = {}
        lost = next_retry(trials)
        arm = next(iter(self._untried_arms(trials)), None)
        if lost is not None:
            user_attrs |= {RETRY_OF: lost.number}
            user_attrs |= {k: v for k, v in lost.user_attrs.items() if k == ARM}
            system_attrs = self._what_it_had(lost)
        elif arm is not None:
            user_attrs |= {ARM: arm.name}
            system_attrs = {"fixed_params": stored(arm.params)}
        self.study.add_trial(
            create_trial(state=TrialState.WAITING, user_attrs=user_attrs, system_attrs=system_attrs)
        )

    def _what_it_had(self, lost: FrozenTrial) -> dict[str, Any]:
        """What its second try begins with: all of its parameters, and what the sampler noted.

        If it was lost while it was sampled, only what was fixed before: the sampler, seeded for
        the same ordinal, then proposes the same again.
        """
        if set(lost.params) < set(self.order.preset.space.dimensions()):
            return {k: v for k, v in lost.system_attrs.items() if k == "fixed_params"}
        noted = {k: v for k, v in lost.system_attrs.items() if not k.startswith("completed_rung_")}
        return noted | {"fixed_params": lost.params}

    def _untried_arms(self, trials: list[FrozenTrial]) -> list[Any]:
        tried = {trial.user_attrs.get(ARM) for trial in trials if not is_lost(trial)}
        return [arm for arm in self.order.preset.arms if arm.name not in tried]

    def _grid_is_exhausted(self, trials: list[FrozenTrial]) -> bool:
        assert isinstance(self.study.sampler, KillProofSampler)
        grid = self.study.sampler.inner
        if not isinstance(grid, GridSampler) or next_retry(trials) is not None:
            return False
        if any(trial.state == TrialState.WAITING for trial in trials):
            return False
        return grid.is_exhausted(self.study)

    def _judge(self, study: Study, trial: FrozenTrial) -> None:
        self.progress.end(study, trial)
        self.failures = self.failures + 1 if ending(trial) == "failed" else 0
        if self.failures == MAX_FAILURES:
            raise SearchStoppedError(
                f"{MAX_FAILURES} trials in a row have failed, the last one, {trial.number}, with "
                f"{failure(trial)!r}; their tracebacks are kept as the trials' attribute "
                f"traceback (make dashboard shows it)"
            )


def _next_number(trials: list[FrozenTrial]) -> int:
    """The number that the next trial has or will have: the first waiting one's, or a new one."""
    waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
    return min(waiting, default=len(trials))
