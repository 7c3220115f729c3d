"""Runs a search: opens the study, then trains in this process or starts workers that train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import TrialState

from search.algorithms import STOPPED, make_pruner
from search.console import Progress
from search.execution.engines import EngineLoader, load_data, load_engine
from search.execution.generation_queue import make_queue
from search.execution.job import SearchJob, interruptible
from search.execution.local_pool import LocalPool, WorkerSpec
from search.execution.ray_pool import run_on_ray
from search.execution.worker import Worker
from search.generations import begun_from, check_begun_from, check_feasible
from search.storage import open_storage, storage_errors_explained, study_lock, trial_id
from search.study import (
    ProcessIdentity,
    TrialRecord,
    as_begun,
    count_trials,
    fail_lost_trials,
    is_begun,
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
    """Search until the study has `job.trials` finished trials, or the time is up.

    A study that already has trials is continued as if it had never stopped. With `job.stop_when`
    the search may end early, and the study's user attribute STOPPED then says why.

    Args:
        job: What to search, and where the study is stored.
        progress: Shows the search to the user.
        spec: The workers to start; None trains in this process.
        load: Loads the engine, if the training is done in this process; see `loader`.

    Returns:
        The study.

    Raises:
        Interrupted: After Ctrl-C or SIGTERM, once the current epoch has ended.
        SearchStoppedError: Three trials in a row failed, or a worker died too many times.
        UserError: The database, the study, the images or the engine cannot be used.

    Example:
        One trial of the preset that takes seconds, in a new database:

        >>> from pathlib import Path
        >>> from search.console import Progress
        >>> from search.execution import SearchJob, run_search
        >>> from search.presets import load_preset
        >>> preset = load_preset("studies/smoke.toml")
        >>> job = SearchJob(preset, "smoke", "sqlite:///smoke.db", trials=1, data_home=Path("data"))
        >>> study = run_search(job, Progress())  # doctest: +ELLIPSIS
        loading the data and TensorFlow
        ...
        >>> len(study.trials)
        1
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(job.url, job.preset.workers.heartbeat)
    with (
        storage_errors_explained(job.url),
        interruptible(progress.say, job.parent) as interrupted,
    ):
        study = _opened(storage, job)
        job = _as_begun(job, study, progress)
        if not job.is_secondary_worker:
            progress.begun_from(study)
        study.pruner = make_pruner(job.preset)
        if not job.is_secondary_worker:
            _report_running_trials(study, progress)
        if _needs_more_trials(study, job):
            check_feasible(job.preset)  # before anything is loaded or begun
            if spec is None:
                Worker(job, study, progress, interrupted).run(load)
            else:
                # Here, so that an error is reported once, before they start.
                load_data(job, study, progress)
                progress.begin(study, job.trials, deadline=job.deadline)
                if spec.launcher == "ray":
                    run_on_ray(job, spec, study, progress, interrupted)
                else:
                    LocalPool(spec, study, progress, interrupted).run()
                idle = make_queue(job, study).idle()
                progress.ended_early(idle.why_early if idle is not None else None)
        if not job.is_secondary_worker and _is_stopped(study, job):
            progress.say("no new trial is begun: too little is expected of it")
        return study


def _opened(storage: RDBStorage, job: SearchJob) -> Study:
    """The study; a new one is begun from `job.source`, one that exists must have been."""
    attributes: Mapping[str, Any] = {}
    if job.source is not None and not is_begun(storage, job.name):
        warm_start = begun_from(job.source, storage, job.url, job.name, job.preset)
        attributes = warm_start.attributes
    study = open_study(storage, job.name, job.preset, job.seed, attributes)
    if job.source is not None:
        check_begun_from(study, job.source)
    return study


def _as_begun(job: SearchJob, study: Study, progress: Progress) -> SearchJob:
    """The job with the preset that the study goes on with."""
    preset = as_begun(study, job.preset)
    if preset is not job.preset and not job.is_secondary_worker:
        progress.begun_without_budgets(job.name)
    return replace(job, preset=preset)


def job_as_begun(job: SearchJob) -> SearchJob:
    """The job as `run_search` will run it: see `search.study.as_begun`. A study that is not there
    is not begun."""
    if job.preset.search is None:
        return job
    storage = open_storage(job.url)
    with storage_errors_explained(job.url):
        if job.name not in optuna.get_all_study_names(storage):
            return job
        study = optuna.load_study(study_name=job.name, storage=storage)
        return replace(job, preset=as_begun(study, job.preset))


def _needs_more_trials(study: Study, job: SearchJob) -> bool:
    trials = study.get_trials(deepcopy=False)
    if job.trials is not None and count_trials(trials).finished >= job.trials:
        return False
    return not _is_stopped(study, job) or lost_to_retry(trials) is not None


def _is_stopped(study: Study, job: SearchJob) -> bool:
    """Was the study stopped early with the same `stop_when`, and not continued since?"""
    stopped = study.user_attrs.get(STOPPED)
    return stopped is not None and stopped["below"] == job.stop_when


def _report_running_trials(study: Study, progress: Progress) -> None:
    """Report of each trial that is marked as running whether it was killed, or runs elsewhere.

    Killed trials are marked as interrupted, not as killed: probably the whole search was killed, so
    that no trial is to blame.
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
