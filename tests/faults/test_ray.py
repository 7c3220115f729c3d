"""The same worker on a real Ray cluster of three nodes, of which one is lost.

All of it is slow: a cluster takes ten seconds to start.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from search.execution.local_pool import WorkerSpec
from search.execution.ray_pool import ClusterError
from search.execution.runner import run_search
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials, ending
from tests.conftest import DATA, ROOT
from tests.faults.conftest import write_replay
from tests.faults.replay import quiet, replay, replay_command, replay_order
from tests.faults.test_deadly import deadly_crew, with_deadly_arm
from tests.faults.test_workers import running, stopped, wait_until
from tests.search.conftest import URL, load, table, write_preset

pytest.importorskip("ray", reason="Ray is not installed (the extra ray; CI installs it)")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Ray's own processes
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def cluster(replayed, monkeypatch):
    """Two nodes with two processors each besides a head that works on nothing."""
    from ray.cluster_utils import Cluster

    write_replay("lag = 4\nheartbeat = 5")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    cluster.shutdown()


def spec(name: str, trials: int, url: str, seconds: float, **more) -> WorkerSpec:
    command = replay_command(name, trials, seconds)
    environment = {"STORAGE": url, "PYTHONPATH": str(ROOT)}
    return WorkerSpec(
        command, 4, environment, launcher="ray", directory=Path.cwd(), **{"cpus": 1} | more
    )


def lose(cluster, node, url: str) -> None:
    """End a node and all that runs on it while it is at work, at once."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    while True:
        pids = [process.pid for process in raylet.children(recursive=True)]
        with stopped(pids):
            if {TrialRecord.of(trial).worker.pid for trial in running("lost", url)} & set(pids):
                cluster.remove_node(node, allow_graceful=False)
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return
        time.sleep(0.2)


def test_a_lost_node_costs_nothing(cluster, postgres_url):
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    straight = table(replay("straight", 20, "sqlite:///straight.db"))

    def lose_a_node() -> None:
        wait_until(lambda: count_trials(load("lost", postgres_url).trials).finished >= 4)
        lose(cluster, nodes[1], postgres_url)

    def studied() -> bool:
        return bool(running("lost", postgres_url))

    thread = threading.Thread(target=lambda: (wait_until(studied), lose_a_node()))
    thread.start()
    found = run_search(
        replay_order("lost", 20, postgres_url), quiet(), spec("lost", 20, postgres_url, 0.5)
    )
    thread.join()
    counts = count_trials(found.trials)
    assert (counts.finished, counts.running) == (20, 0)
    assert counts.lost >= 1
    assert table(found) == straight


def test_a_worker_that_is_killed_is_started_again(cluster, postgres_url):
    """By its trial, twice: that has failed, and the search goes on."""
    cluster.add_node(num_cpus=2)
    with_deadly_arm()
    spec = deadly_crew("deadly", 6, postgres_url, launcher="ray")
    found = run_search(replay_order("deadly", 6, postgres_url), quiet(), spec)
    counts = count_trials(found.trials)
    assert (counts.finished, counts.failed, counts.lost, counts.running) == (6, 1, 1, 0)
    (failed,) = (trial for trial in found.trials if ending(trial) == "failed")
    # Whoever sees it first marks it, and only who started it knows the signal.
    assert failed.user_attrs["error"].count("was killed") == 2


def test_real_training_gives_the_same_table_as_here(cluster, postgres_url):
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    write_preset(epochs=4, more="[workers]\nlag = 4\n")
    command = [sys.executable, "-m", "search", "run", "--study", "tiny", "--trials", "8"]
    command += ["--threads", "1", "--data", str(DATA)]
    on_ray = ["--launcher", "ray", "--workers", "2"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        [*command, *on_ray],
        env={**os.environ, "STORAGE": postgres_url},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert table(load("tiny", postgres_url)) == table(load("tiny"))


def test_four_workers_share_a_gpu_and_wait_for_a_node_that_has_one(cluster, postgres_url):
    """To Ray a GPU is a number, so one can be had where there is none."""
    cluster.add_node(num_cpus=4)
    progress = quiet()
    said = progress.console.file.getvalue
    # The cluster's own way to add a node sets signal handlers, which a thread may not.
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    start += [f"--address={cluster.address}", "--num-cpus=4", "--num-gpus=1"]
    added: list[subprocess.Popen[bytes]] = []

    def add_one() -> None:
        wait_until(lambda: "starting 4 workers" in said())
        added.append(subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    thread = threading.Thread(target=add_one)
    thread.start()
    too_long = threading.Timer(300, os.kill, (os.getpid(), signal.SIGINT))
    too_long.start()
    try:
        shares = spec("shared", 12, postgres_url, 0.2, gpus=0.25)
        found = run_search(replay_order("shared", 12, postgres_url), progress, shares)
    finally:
        too_long.cancel()
        thread.join()
        for node in added:
            node.terminate()
            node.wait()
    assert count_trials(found.trials).finished == 12
    assert "no node of the cluster has 1 processors and 0.25 GPUs for a worker: waiting" in said()


def test_on_a_single_node_a_file_will_do_and_it_is_said_that_it_will_not_on_more(
    replayed, monkeypatch
):
    """Ray starts that node itself where no cluster is named."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    progress = quiet()
    found = run_search(replay_order("one", 4, URL), progress, spec("one", 4, URL, 0))
    assert count_trials(found.trials).finished == 4
    said = progress.console.file.getvalue().replace("\n", " ")
    assert "which other nodes do not have: more than this one node need a database server" in said


def test_several_nodes_need_a_database_that_all_reach(cluster):
    cluster.add_node(num_cpus=1)
    with pytest.raises(ClusterError, match="which other nodes do not have, and the cluster has"):
        run_search(replay_order("file", 2, URL), quiet(), spec("file", 2, URL, 0))
