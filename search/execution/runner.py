"""Runs a search: opens the study, then trains in this process, or starts workers that do."""

from __future__ import annotations

import optuna
from optuna.study import Study
from optuna.trial import TrialState

from search.algorithms import STOPPED, make_pruner
from search.console import Progress
from search.execution.engines import EngineLoader, load_data, load_engine
from search.execution.job import SearchJob, interruptible
from search.execution.local_pool import LocalPool, WorkerSpec
from search.execution.ray_pool import run_on_ray
from search.execution.worker import Worker
from search.storage import open_storage, storage_errors_explained, study_lock, trial_id
from search.study import (
    ProcessIdentity,
    TrialRecord,
    count_trials,
    fail_lost_trials,
    is_lost,
    lost_to_retry,
    open_study,
    process_is_elsewhere,
    stale_by_database_clock,
)


def run_search(
    job: SearchJob,
    progress: Progress,
    spec: WorkerSpec | None = None,
    load: EngineLoader = load_engine,
) -> Study:
    """Search until the study has `job.trials` finished trials, here or by several workers; return
    it.

    With `job.stop_when` it may end before that, and the study's attribute STOPPED says why.

    Going on with a study that has some is the same as never having stopped. Raises Interrupted
    after Ctrl-C or SIGTERM, SearchStoppedError after three failures in a row.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(job.url, job.preset.workers.heartbeat)
    with (
        storage_errors_explained(job.url),
        interruptible(progress.say, job.parent) as interrupted,
    ):
        study = open_study(storage, job.name, job.preset, job.seed)
        study.pruner = make_pruner(job.preset)
        if not job.is_secondary_worker:
            _tell_of_the_running(study, progress)
        if _is_to_go_on(study, job):
            if spec is None:
                Worker(job, study, progress, interrupted).run(load)
            else:
                load_data(job, study, progress)  # once, and what is wrong with it is told here
                progress.begin(study, job.trials)
                if spec.launcher == "ray":
                    run_on_ray(job, spec, study, progress, interrupted)
                else:
                    LocalPool(spec, study, progress, interrupted).run()
        if not job.is_secondary_worker and _is_stopped(study, job):
            progress.say("no new trial is begun: too little is expected of it")
        return study


def _is_to_go_on(study: Study, job: SearchJob) -> bool:
    trials = study.get_trials(deepcopy=False)
    if count_trials(trials).finished >= job.trials:
        return False
    return not _is_stopped(study, job) or lost_to_retry(trials) is not None


def _is_stopped(study: Study, job: SearchJob) -> bool:
    """Was the study stopped as it is to be this time, and not gone on with since?"""
    stopped = study.user_attrs.get(STOPPED)
    return stopped is not None and stopped["below"] == job.stop_when


def _tell_of_the_running(study: Study, progress: Progress) -> None:
    """Say of each running trial whether it was killed, or is another's.

    The whole search before this one may have been killed, which is no trial's fault.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    with study_lock(study):
        elsewhere = {trial_id(t) for t in running if process_is_elsewhere(TrialRecord.of(t).worker)}
        stale = elsewhere & stale_by_database_clock(study)
        fail_lost_trials(study, study.get_trials(deepcopy=False), "interrupted", stale)
    for trial in running:
        if is_lost(study.trials[trial.number]):
            progress.say(f"trial {trial.number} was killed; it will be tried again")
        else:
            where = _where(TrialRecord.of(trial).worker)
            progress.say(
                f"trial {trial.number} is left alone: it runs in {where}, as far as can be told "
                f"from here"
            )


def _where(worker: ProcessIdentity | None) -> str:
    if worker is None:
        return "a process that did not say which it is"
    return f"process {worker.pid} on {worker.host}"
