"""What an attacker who can write to the database, or read the terminal, gets: nothing."""

from __future__ import annotations

import os
import pickle
import re
import socket
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from search.storage.connection import open_storage, sqlite_file
from search.storage.errors import StorageError
from search.storage.url import without_password
from tests.conftest import DATA, ROOT
from tests.faults.replay import replay
from tests.search.conftest import URL, load


class Boom:
    def __reduce__(self):
        return (os.mkdir, ("pwned",))


@pytest.fixture
def evolved(replayed):
    path = Path("studies/replay.toml")
    path.write_text(path.read_text() + '\n[sampler]\nname = "cmaes"\n[pruner]\nname = "none"\n')
    return replayed


def test_cma_es_stores_no_pickle(evolved):
    study = replay("evolved", 20, URL)
    names = {name for trial in study.trials for name in trial.system_attrs}
    assert "cma:generation" in names
    assert not [name for name in names if "optimizer" in name]
    assert max(t.system_attrs.get("cma:generation", 0) for t in study.trials) >= 2


def test_cma_es_loads_no_pickle_that_somebody_has_planted(evolved):
    study = replay("evolved", 6, URL)
    planted = optuna.create_trial(
        value=0.9,
        params=study.trials[-1].params,
        distributions=study.trials[-1].distributions,
        user_attrs={"ordinal": 6},
        system_attrs={"cma:generation": 0, "cma:optimizer:0": pickle.dumps(Boom()).hex()},
    )
    optuna.load_study(study_name="evolved", storage=open_storage(URL)).add_trial(planted)
    replay("evolved", 12, URL)
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    ("url", "visible"),
    [
        ("postgresql+psycopg://me:secret@h/d", "postgresql+psycopg://me:***@h/d"),
        ("postgresql+psycopg://h/d?password=secret", "postgresql+psycopg://h/d?password=%2A%2A%2A"),
        ("postgresql+psycopg://h/d?sslpassword=secret", "sslpassword=%2A%2A%2A"),
    ],
)
def test_passwords_are_hidden_wherever_a_url_has_them(url, visible):
    assert visible in without_password(url)
    assert "secret" not in without_password(url)


def test_a_malformed_url_hides_its_password_too():
    with pytest.raises(StorageError) as caught:
        sqlite_file("postgresql+psycopg:://me:secret@h:port/d")
    assert "secret" not in str(caught.value)


def test_a_password_is_in_no_file_no_output_and_no_command_line(replayed, postgres_url, invoke):
    study = replay("hidden", 3, postgres_url)
    study.set_user_attr("data_sha256", "of no images, as nothing was trained")
    export = invoke("search", "export", "--name", "hidden", "--storage", postgres_url)
    status = invoke("search", "status", "--name", "hidden", "--storage", postgres_url, "--json")
    wrong = postgres_url.replace("?host=", "?connect_timeout=1&host=/nowhere")
    refused = invoke("search", "status", "--name", "hidden", "--storage", wrong)
    assert (export.returncode, status.returncode, refused.returncode) == (0, 0, 2)
    for done in (export, status, refused):
        assert "secret" not in done.stdout + done.stderr
    assert all(b"secret" not in path.read_bytes() for path in replayed.rglob("*") if path.is_file())
    attributes = load("hidden", postgres_url).user_attrs
    assert "secret" not in str(attributes)


def test_workers_get_the_url_by_their_environment():
    """Where other users cannot read it, as they can the command line."""
    from search.execution.job import SearchJob
    from search.execution.local_pool import worker_command
    from search.presets.files import load_preset

    url = "postgresql+psycopg://me:secret@h/d"
    job = SearchJob(load_preset(str(ROOT / "studies/smoke.toml")), "smoke", url, 3, 1, DATA)
    assert "secret" not in " ".join(worker_command(job, "smoke", "tensorflow", None))


def test_make_has_the_url_on_no_command_line():
    """Nor does it print it; but it does arrive."""
    url = "postgresql+psycopg://me:secret@h/d"
    targets = re.findall(r"^([a-z-]+):.*  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"search", "status", "export", "report", "paper", "dashboard"} <= set(targets)
    dry = ["make", "--dry-run", "--old-file=.venv/installed", *targets]
    planned = subprocess.run(
        dry,
        cwd=ROOT,
        env={**os.environ, "STORAGE": url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "-m search run" in planned.stdout
    assert "secret" not in planned.stdout
    for target in ("status", "report", "dashboard"):
        done = subprocess.run(
            ["make", "--old-file=.venv/installed", target],
            cwd=ROOT,
            env={**os.environ, "STORAGE": "sqlite:///no/such.db"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "no/such.db: no such database" in done.stderr, target


def test_the_dashboard_warns_where_others_can_reach_it(replayed):
    replay("seen", 1, URL)
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "studies", "dashboard", "--host", "0.0.0.0"]
    command += ["--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
    assert line == (
        f"warning: there is no login: whoever reaches 0.0.0.0:{port} can see and delete every "
        f"study\n"
    )


def test_pickles_are_loaded_nowhere():
    """Arrays are read without pickle; models are never read, but if they were, in safe mode."""
    for path in [
        p for d in ("fmnist_model", "search", "studies") for p in (ROOT / d).rglob("*.py")
    ]:
        text = path.read_text()
        assert "allow_pickle=True" not in text
        assert "safe_mode=False" not in text
        assert "enable_unsafe_deserialization" not in text
