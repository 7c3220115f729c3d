"""Runs the workers on a Ray cluster: each is a Ray task that runs the worker's command on a node.

Ray finds a node, reserves processors and GPUs there, and starts a task again on another node if its
node is lost. Claims, heartbeats and second tries of trials work through the database, as they do
on one machine.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.study import Study

from fmnist_model.utils import Remedy, UserError
from search.console import Progress
from search.execution.job import SearchJob, SearchStoppedError
from search.execution.local_pool import GRACE_SECONDS, POOL_POLL_SECONDS, TrialDisplay, WorkerSpec
from search.execution.objective import Interrupted
from search.storage import open_storage, sqlite_file, storage_errors_explained
from search.study import fail_trials_of_process, load_study

MAX_RETRIES = 3
"""How many times Ray starts a worker again whose node or process was lost."""


class ClusterError(UserError):
    """The search cannot run on this cluster; the message says why."""


def run_on_ray(
    job: SearchJob,
    spec: WorkerSpec,
    study: Study,
    progress: Progress,
    interrupted: Callable[[], bool],
) -> None:
    """Run the workers as Ray tasks until all of them have ended.

    The environment variable RAY_ADDRESS names the cluster; without it Ray starts one on this
    machine. `spec.directory` has to exist at the same path on every node. Raises Interrupted after
    Ctrl-C or SIGTERM, SearchStoppedError if a worker reports an error or is lost too many times,
    and ClusterError if the search cannot run on the cluster.
    """
    ray = _connected()
    try:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        _check_storage(job, len(nodes), progress)
        if not any(_fits_on(node, spec) for node in nodes):
            progress.say(
                f"no node of the cluster has {spec.cpus:g} processors and {spec.gpus:g} GPUs for a "
                f"worker: waiting for one that has"
            )
        resources = {"num_cpus": spec.cpus, "num_gpus": spec.gpus}
        retries = {"max_retries": MAX_RETRIES, "retry_exceptions": [ChildProcessError]}
        task = ray.remote(**resources, **retries)(_run_worker)
        progress.say(f"starting {spec.count} workers on the Ray cluster")
        environment, directory = dict(spec.environment), spec.directory
        pending = [
            task.remote(job.name, job.url, list(spec.command), environment, directory)
            for _ in range(spec.count)
        ]
        _wait_for_all(ray, pending, TrialDisplay(study, progress), interrupted)
    finally:
        ray.shutdown()


def _connected() -> Any:
    try:
        import ray
    except ImportError:
        problem = "workers on a cluster need Ray, which is not installed"
        raise ClusterError(problem, Remedy.INSTALL_RAY) from None
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, ValueError) as error:
        address = os.environ.get("RAY_ADDRESS", "none given")
        problem = str(error).splitlines()[0]
        raise ClusterError(problem, Remedy.CORRECT_ADDRESS, address=address) from error
    return ray


def _check_storage(job: SearchJob, nodes: int, progress: Progress) -> None:
    file = sqlite_file(job.url)
    if file is None:
        return
    why = f"{file} is a file of this machine, which other nodes do not have"
    if nodes > 1:
        problem = f"{why}, and the cluster has {nodes} nodes"
        raise ClusterError(problem, Remedy.SHARE_DATABASE)
    progress.say(f"{why}: more than this one node need a database server, such as PostgreSQL")


def _fits_on(node: Mapping[str, float], spec: WorkerSpec) -> bool:
    return node.get("CPU", 0) >= spec.cpus and node.get("GPU", 0) >= spec.gpus


def _wait_for_all(
    ray: Any, pending: list[Any], display: TrialDisplay, interrupted: Callable[[], bool]
) -> None:
    try:
        while pending and not interrupted():
            done, pending = ray.wait(pending, timeout=POOL_POLL_SECONDS)
            display.show()
            for error in ray.get(done):
                if error:
                    raise SearchStoppedError(error)
    except ray.exceptions.RayError as error:
        raise SearchStoppedError(
            f"a worker was lost {MAX_RETRIES + 1} times: {str(error).splitlines()[0]}"
        ) from error
    finally:
        for task in pending:
            ray.cancel(task, force=False)
        ray.wait(pending, num_returns=len(pending), timeout=GRACE_SECONDS) if pending else None
        display.show()
    if interrupted():
        raise Interrupted


def _run_worker(
    study: str,
    url: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path | None,
) -> str:
    """Run a worker on this node; return its error in one line, or an empty string if it had
    none."""
    process = subprocess.Popen(
        [*command, "--parent", str(os.getpid())],
        cwd=directory,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, errors = process.communicate()
    except BaseException:  # Ray cancels a task by raising KeyboardInterrupt in it
        process.terminate()
        process.communicate()
        raise
    if process.returncode == 0:
        return ""
    if process.returncode < 0:
        how = f"was killed by signal {-process.returncode}"
        with storage_errors_explained(url):
            fail_trials_of_process(load_study(open_storage(url), url, study), process.pid, how)
        raise ChildProcessError(f"a worker {how}")  # Ray starts it again
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), "")
    return last.removeprefix("error: ") or f"a worker ended with code {process.returncode}"
