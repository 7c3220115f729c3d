"""Which running trials have lost their worker. They are tried again; but a trial whose second
worker was killed, too, has failed: it may be what kills them, as one that takes all memory does.
"""

from __future__ import annotations

import socket
from collections.abc import Container, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.storage.optuna_internals import storage_of, trial_id
from search.storage.transactions import lock_trial, study_lock
from search.study.process_identity import WORKER, process_is_gone
from search.study.trials import DEADLY, ERROR, FAIL_REASON, INTERRUPTED, KILLED, RETRY_OF


def fail_lost_trials(
    study: Study,
    trials: Sequence[FrozenTrial],
    reason: str,
    silent: Container[int],
    pool: int | None = None,
) -> bool:
    """While `study_lock`, fail those running trials whose process is gone, or whose id is among the
    `silent`; were there any?

    `reason` is KILLED, or INTERRUPTED where it counts for nothing. Processes that process `pool`
    of this machine has started are left to it, for it knows how they ended
    (`fail_trials_of_process`).
    """
    lost = {}
    for trial in trials:
        worker = trial.user_attrs.get(WORKER)
        if trial.state != TrialState.RUNNING:
            continue
        if process_is_gone(worker) and not (pool and worker and worker.get("parent") == pool):
            lost[trial.number] = "was killed"
        elif trial_id(trial) in silent:
            lost[trial.number] = "was not heard of any more"
    workers = [trials[number].user_attrs.get(WORKER) for number in lost]
    for (number, how), worker in zip(lost.items(), workers, strict=True):
        _mark(study, trials[number], _blame(reason, workers.count(worker)), how)
    return bool(lost)


def fail_trials_of_process(study: Study, pid: int, how: str) -> None:
    """Fail what process `pid` of this machine was running when it died, and say how that was."""
    with study_lock(study):
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        workers = [(trial, trial.user_attrs.get(WORKER, {})) for trial in running]
        here = (socket.gethostname(), pid)
        its = [trial for trial, of in workers if (of.get("host"), of.get("pid")) == here]
        for trial in its:
            _mark(study, trial, _blame(KILLED, len(its)), how)


def _blame(reason: str, in_hand: int) -> str:
    """Of several trials that a worker had in hand none can be told to be what killed it."""
    return reason if in_hand == 1 else INTERRUPTED


def _mark(study: Study, trial: FrozenTrial, reason: str, how: str) -> None:
    """Fail a running trial for what became of its worker, unless it has ended meanwhile."""
    if lock_trial(study, trial_id(trial)) != TrialState.RUNNING:
        return
    attributes = {FAIL_REASON: reason}
    if reason == KILLED:
        attributes[ERROR] = f"its worker {how}"
        before = _killed_before(trial, study.get_trials(deepcopy=False))
        if before is not None:
            first = before.user_attrs.get(ERROR, "its worker was killed")
            attributes = {FAIL_REASON: DEADLY, ERROR: f"twice: {first}, and then {how}"}
    for name, value in attributes.items():
        storage_of(study).set_trial_user_attr(trial_id(trial), name, value)
    storage_of(study).set_trial_state_values(trial_id(trial), TrialState.FAIL)


def _killed_before(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The earlier try of the same trial whose worker was killed."""
    earlier = trial.user_attrs.get(RETRY_OF)
    if earlier is None:
        return None
    before = trials[earlier]
    killed = before.user_attrs.get(FAIL_REASON) == KILLED
    return before if killed else _killed_before(before, trials)
