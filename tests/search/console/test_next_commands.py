"""The commands that are printed can be copied, and make runs what they mean."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

import pytest

from search.console.next_commands import TARGET_VARIABLES, hidden_note, make_command
from tests.conftest import DATA, ROOT
from tests.faults.conftest import write_replay
from tests.faults.replay import replay
from tests.search.conftest import write_preset

GIVEN = {
    "STUDY": "smoke",
    "NAME": "my.own",
    "STORAGE": "sqlite:///a b.db",
    "DATA": "my data",
    "ENGINE": "population",
    "SLOTS": 8,
    "WORKERS": 4,
    "THREADS": 2,
    "LAUNCHER": "ray",
    "CPUS_PER_WORKER": 2.0,
    "GPUS_PER_WORKER": 0.25,
    "RAY_ADDRESS": "head:6379",
    "TRIALS": 100,
    "TIMEOUT": "60m",
}
SECRET = "postgresql+psycopg://me:secret@db/x"


def planned(command: str) -> str:
    """The command that make would run."""
    words = shlex.split(command)
    options = [words[0], "--dry-run", "--old-file=.venv/installed", *words[1:]]
    done = subprocess.run(options, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.replace("\\\n", "")


def test_defaults_are_left_out():
    usual = {"STUDY": "paper", "NAME": None, "WORKERS": "auto", "ENGINE": "auto", "SLOTS": None}
    usual["STORAGE"] = "sqlite:///studies/results/studies.db"
    assert {make_command(target, usual) for target in TARGET_VARIABLES} == {
        f"make {target}" for target in TARGET_VARIABLES
    }


def test_make_searches_on_as_it_did():
    ran = planned(make_command("search", GIVEN))
    for option in (
        '--study "smoke" --name "my.own"',
        "--trials 100 --workers 4 --engine population",
        "--launcher ray --cpus 2 --gpus 0.25",
        "--slots 8 --threads 2",
        '--data "my data"',
        '--timeout "60m"',
    ):
        assert option in ran


@pytest.mark.parametrize("target", TARGET_VARIABLES)
def test_each_target_takes_what_it_is_given(target):
    """Each target uses all variables that TARGET_VARIABLES names, and no others.

    Each variable changes the command that make runs, except those that make passes on in the
    environment.
    """
    by_environment = {"STORAGE", "RAY_ADDRESS"}
    for name in GIVEN:
        hidden = {name, "NAME"} if name == "STUDY" else {name}
        less = {key: value for key, value in GIVEN.items() if key not in hidden}
        more = less | {name: GIVEN[name]}
        differs = planned(make_command(target, less)) != planned(make_command(target, more))
        assert differs == (name in TARGET_VARIABLES[target] and name not in by_environment), name


def test_the_storage_arrives_by_the_environment(project):
    for target in TARGET_VARIABLES:
        if "STORAGE" not in TARGET_VARIABLES[target]:
            continue
        words = shlex.split(
            make_command(target, {"STORAGE": "sqlite:///no such/place.db", "TRIALS": 1})
        )
        done = subprocess.run(
            [*words, "--old-file=.venv/installed"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "no such/place.db: no such database" in done.stderr or (
            "no such: no such directory" in done.stderr
        ), target


@pytest.mark.parametrize("url", [SECRET, "postgresql+psycopg://db/x?password=secret"])
def test_a_password_is_never_shown(url):
    for target in TARGET_VARIABLES:
        assert "STORAGE" not in make_command(target, {"STORAGE": url})
    assert "have it in the environment" in hidden_note({"STORAGE": url})
    assert "secret" not in hidden_note({"STORAGE": url})
    assert hidden_note({"STORAGE": "postgresql+psycopg://me@db/x"}) == ""


def test_run_and_status_print_commands_that_can_be_copied(project, invoke):
    write_preset()
    arguments = ["--study", "tiny", "--name", "mine", "--storage", "sqlite:///my own.db"]
    more = ["--trials", "1", "--engine", "tensorflow", "--threads", "1", "--data", str(DATA)]
    done = invoke("search", "run", *arguments, *more)
    assert done.returncode == 0, done.stderr
    common = "STUDY=tiny NAME=mine STORAGE='sqlite:///my own.db'"
    said = f"make search {common} DATA={DATA} ENGINE=tensorflow THREADS=1 TRIALS=2 "
    assert said in done.stdout
    assert f"make evaluate STUDY=tiny NAME=mine DATA={DATA} " in done.stdout
    status = invoke("search", "status", *arguments)
    assert f"make report {common} " in status.stdout
    assert "make dashboard STORAGE='sqlite:///my own.db' " in status.stdout


def test_with_a_password_status_says_what_to_do(project, invoke, postgres_url):
    write_replay()
    replay("there", 1, postgres_url)
    done = invoke("search", "status", "--name", "there", "--storage", postgres_url)
    assert "next (STORAGE has a password and is not shown: have it in the environment):" in (
        done.stdout
    )
    assert re.search(r"^  make report NAME=there  ", done.stdout, re.MULTILINE)
    assert "secret" not in done.stdout + done.stderr
