"""Runs a search: opens the study, then trains in this process, or starts workers that do."""

from __future__ import annotations

import optuna
from optuna.study import Study
from optuna.trial import TrialState

from search.algorithms.pruners import make_pruner
from search.algorithms.terminator import STOPPED
from search.console.progress import Progress
from search.execution.job import SearchJob, interruptible
from search.execution.local_pool import LocalPool, WorkerSpec
from search.execution.ray_pool import run_on_ray
from search.execution.worker import EngineLoader, Worker, load_data, load_engine
from search.storage.connection import open_storage, storage_errors_explained, study_lock
from search.study.heartbeats import overdue
from search.study.lost_trials import fail_lost_trials
from search.study.process_identity import WORKER, process_is_elsewhere
from search.study.study import open_study
from search.study.trials import INTERRUPTED, count_trials, is_lost, lost_to_retry


def run_search(
    order: SearchJob,
    progress: Progress,
    crew: WorkerSpec | None = None,
    load: EngineLoader = load_engine,
) -> Study:
    """Search until the study has `order.trials` finished trials, here or by a crew; return it.

    With `order.stop_when` it may end before that, and the study's attribute STOPPED says why.

    Going on with a study that has some is the same as never having stopped. Raises Interrupted
    after Ctrl-C or SIGTERM, SearchStoppedError after three failures in a row.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(order.url, order.preset.workers.heartbeat)
    with (
        storage_errors_explained(order.url),
        interruptible(progress.say, order.parent) as interrupted,
    ):
        study = open_study(storage, order.name, order.preset, order.seed)
        study.pruner = make_pruner(order.preset)
        if not order.beside:
            _tell_of_the_running(study, progress)
        if _is_to_go_on(study, order):
            if crew is None:
                Worker(order, study, progress, interrupted).run(load)
            else:
                load_data(order, study, progress)  # once, and what is wrong with it is told here
                progress.begin(study, order.trials)
                if crew.launcher == "ray":
                    run_on_ray(order, crew, study, progress, interrupted)
                else:
                    LocalPool(crew, study, progress, interrupted).run()
        if not order.beside and _is_stopped(study, order):
            progress.say("no new trial is begun: too little is expected of it")
        return study


def _is_to_go_on(study: Study, order: SearchJob) -> bool:
    trials = study.get_trials(deepcopy=False)
    if count_trials(trials).finished >= order.trials:
        return False
    return not _is_stopped(study, order) or lost_to_retry(trials) is not None


def _is_stopped(study: Study, order: SearchJob) -> bool:
    """Was the study stopped as it is to be this time, and not gone on with since?"""
    stopped = study.user_attrs.get(STOPPED)
    return stopped is not None and stopped["below"] == order.stop_when


def _tell_of_the_running(study: Study, progress: Progress) -> None:
    """Say of each running trial whether it was killed, or is another's.

    The whole search before this one may have been killed, which is no trial's fault.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    with study_lock(study):
        elsewhere = {t._trial_id for t in running if process_is_elsewhere(t.user_attrs.get(WORKER))}
        silent = elsewhere & overdue(study)
        fail_lost_trials(study, study.get_trials(deepcopy=False), INTERRUPTED, silent)
    for trial in running:
        if is_lost(study.trials[trial.number]):
            progress.say(f"trial {trial.number} was killed; it will be tried again")
        else:
            worker = trial.user_attrs.get(WORKER, {})
            progress.say(
                f"trial {trial.number} is left alone: it runs in process {worker.get('pid')} on "
                f"{worker.get('host')}, as far as can be told from here"
            )
