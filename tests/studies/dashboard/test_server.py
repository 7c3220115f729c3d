"""The dashboard of a real study in a real browser."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note, save_note
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from search.storage.connection import open_storage
from search.storage.optuna_internals import study_system_attrs
from studies.dashboard.annotations import annotate, artifact_store
from tests.conftest import PATHS
from tests.studies.conftest import URL, one_of_each, store, trial


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def dashboard(project):
    """The URL of a dashboard that serves a study of five trials."""
    store(one_of_each())
    with served() as url:
        yield url


@contextmanager
def served():
    """The URL of a dashboard for the project's database, while the block runs."""
    port = free_port()
    command = [sys.executable, "-m", "studies", "dashboard", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port}/" in line
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def text_with(browser, wanted: str) -> str:
    """The page's text once `wanted` is in it."""

    def found(driver):
        text = driver.find_element(By.TAG_NAME, "body").text
        return text if wanted in text else False

    return WebDriverWait(browser, 60).until(found, f"{wanted!r} did not appear")


def test_the_study_and_its_trials_are_there(dashboard, browser, tmp_path):
    browser.get(dashboard)
    text_with(browser, "paper")
    browser.get(f"{dashboard}/dashboard/studies/1/trials")
    text = text_with(browser, "Trial 0")
    assert "Trial 4" in text
    assert "learning_rate" in text
    browser.save_screenshot(str(tmp_path / "dashboard.png"))
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry for entry in severe if dashboard in entry["message"]] == []


def test_notes_curves_and_the_answer_are_there(project, browser, tmp_path):
    study = store(
        [trial("completed", [0.5, 0.8]), trial("stuck", [0.1], 1, message="why *it* <b>")]
    )
    mine = optuna.load_study(study_name="paper", storage=open_storage(URL))
    annotate(mine, artifact_store(PATHS.artifacts), print)
    annotate(mine, artifact_store(PATHS.artifacts), print)  # a second time changes nothing
    notes = [k for k in study_system_attrs(study) if k.endswith("note_ver")]
    assert notes == ["dashboard:2:note_ver", "dashboard:note_ver"]
    with served() as url:
        browser.get(f"{url}/dashboard/studies/1/trials?numbers=1")
        text = text_with(browser, "stuck")
        assert "dead_output in output since epoch 1, step 2" in text
        assert "why *it* <b>" in text
        image = WebDriverWait(browser, 60).until(
            lambda b: b.find_elements(By.CSS_SELECTOR, "img[src*='artifacts']")
        )[0]
        loaded = "return arguments[0].complete && arguments[0].naturalWidth"
        WebDriverWait(browser, 60).until(lambda b: b.execute_script(loaded, image))
        browser.get(f"{url}/dashboard/studies/1/note")
        assert "Best: 0.8000, trial 0" in text_with(browser, "What the search suggests")
        browser.get(f"{url}/dashboard/studies/1")
        text_with(browser, "best so far")
        severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert [entry for entry in severe if url in entry["message"]] == []


def test_a_note_of_yours_is_left_alone(project):
    store([trial("stuck", [0.1])])
    study = optuna.load_study(study_name="paper", storage=open_storage(URL))
    save_note(study, "mine")
    annotate(study, artifact_store(PATHS.artifacts), print)
    assert get_note(study) == "mine"


@pytest.mark.parametrize("command", ["make dashboard", "the dashboard"])
def test_a_note_of_ours_is_brought_up_to_date(project, command):
    """This includes notes that were written before the signature was changed."""
    store([trial("completed", [0.5])])
    study = optuna.load_study(study_name="paper", storage=open_storage(URL))
    save_note(study, f"old\n\n*Written by {command}; edit it and it is yours.*")
    annotate(study, artifact_store(PATHS.artifacts), print, lambda asked: f"do {asked.name}")
    assert "old" not in get_note(study)
    assert "search on (`do search`)" in get_note(study)


def test_it_listens_on_loopback_only(dashboard):
    port = int(dashboard.rsplit(":", 1)[1])
    with urllib.request.urlopen(dashboard) as page:
        assert page.status == 200
    listening = Path("/proc/net/tcp").read_text().splitlines()
    addresses = [line.split()[1] for line in listening if line.split()[3] == "0A"]
    assert f"0100007F:{port:04X}" in addresses
    assert f"00000000:{port:04X}" not in addresses


def test_without_a_database_it_says_so_and_makes_none(command):
    done = command("studies", "dashboard")
    assert done.returncode == 2
    assert "studies/results/studies.db: no such database" in done.stderr
    assert not Path("studies/results/studies.db").exists()


def test_a_port_in_use_is_one_sentence(project, invoke):
    store(one_of_each())
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        done = invoke("studies", "dashboard", "--port", port)
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 cannot be used (Address already in use)" in done.stderr
    assert "take another with PORT=" in done.stderr
