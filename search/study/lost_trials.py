"""Fails the running trials that have lost their worker, so that they are tried again.

A trial whose second worker was killed, too, is not tried a third time: it may be what kills them,
as one that takes all memory does.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Container, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.storage import lock_trial, storage_of, study_lock, trial_id
from search.study.process_identity import process_is_gone
from search.study.trial_record import FailReason, TrialRecord
from search.study.trials import earlier_try


def fail_lost_trials(
    study: Study,
    trials: Sequence[FrozenTrial],
    reason: FailReason,
    stale: Container[int],
    pool: int | None = None,
) -> bool:
    """Fail the running trials that have lost their worker; were there any?

    These are the trials whose process is gone, and those whose id is in `stale`: they have sent no
    heartbeat for too long. To be called within `study_lock`. `reason` is "killed", or "interrupted"
    where the loss is not to count against a trial. Processes that process `pool` of this machine
    has started are left to it, for it knows how they ended (`fail_trials_of_process`).
    """
    lost: list[tuple[FrozenTrial, str]] = []
    for trial in trials:
        if trial.state != TrialState.RUNNING:
            continue
        worker = TrialRecord.of(trial).worker
        if process_is_gone(worker) and not (pool and worker and worker.parent == pool):
            lost.append((trial, "was killed"))
        elif trial_id(trial) in stale:
            lost.append((trial, "was not heard of any more"))
    trials_of = Counter(TrialRecord.of(trial).worker for trial, _ in lost)
    for trial, how in lost:
        in_flight = trials_of[TrialRecord.of(trial).worker]
        _fail(study, trial, _blame(reason, in_flight), how)
    return bool(lost)


def fail_trials_of_process(study: Study, pid: int, how: str) -> None:
    """Fail what process `pid` of this machine was running when it died, and say how that was."""
    with study_lock(study):
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        its = [trial for trial in running if _runs_here(trial, pid)]
        for trial in its:
            _fail(study, trial, _blame("killed", len(its)), how)


def _runs_here(trial: FrozenTrial, pid: int) -> bool:
    worker = TrialRecord.of(trial).worker
    return worker is not None and (worker.host, worker.pid) == (socket.gethostname(), pid)


def _blame(reason: FailReason, in_flight: int) -> FailReason:
    """Of several trials that a worker was training, none can be told to be what killed it."""
    return reason if in_flight == 1 else "interrupted"


def _fail(study: Study, trial: FrozenTrial, reason: FailReason, how: str) -> None:
    """Fail a running trial for what became of its worker, unless it has ended meanwhile."""
    if lock_trial(study, trial_id(trial)) != TrialState.RUNNING:
        return
    record = TrialRecord.of_failure(reason)
    if reason == "killed":
        record = _killed(trial, study.get_trials(deepcopy=False), how)
    for name, value in record.attributes.items():
        storage_of(study).set_trial_user_attr(trial_id(trial), name, value)
    storage_of(study).set_trial_state_values(trial_id(trial), TrialState.FAIL)


def _killed(trial: FrozenTrial, trials: Sequence[FrozenTrial], how: str) -> TrialRecord:
    """What is kept of a trial whose worker was killed, the first time or the second."""
    before = _killed_before(trial, trials)
    if before is None:
        return TrialRecord.of_failure("killed", f"its worker {how}")
    first = TrialRecord.of(before).error or "its worker was killed"
    return TrialRecord.of_failure("deadly", f"twice: {first}, and then {how}")


def _killed_before(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The earlier try of the same trial whose worker was killed."""
    before = earlier_try(trial, trials)
    if before is None or TrialRecord.of(before).fail_reason == "killed":
        return before
    return _killed_before(before, trials)
