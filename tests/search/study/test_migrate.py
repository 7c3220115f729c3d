"""A study moved to another database is the same study there."""

from __future__ import annotations

import optuna
import pytest

from search.storage.connection import open_storage
from search.study.migrate import CopyError, copy_study
from search.study.trials import count_trials
from tests.faults.conftest import write_replay
from tests.faults.replay import replay
from tests.search.conftest import URL, load, table

OTHER = "sqlite:///other.db"


@pytest.fixture
def studied(project):
    write_replay()
    return replay("moved", 12, URL)


def test_a_study_goes_to_postgresql_and_back(studied, postgres_url):
    done = copy_study(URL, postgres_url, "moved")
    assert (done.trials, "secret" in done.target) == (12, False)
    copy_study(postgres_url, OTHER, "moved")
    before, after = load("moved"), load("moved", OTHER)
    assert after.user_attrs == before.user_attrs
    for one, other in zip(before.trials, after.trials, strict=True):
        assert one.system_attrs == other.system_attrs
        assert one == other


def test_a_search_goes_on_with_a_copy_as_with_the_original(studied, postgres_url):
    copy_study(URL, postgres_url, "moved")
    there = replay("moved", 16, postgres_url)
    assert table(there) == table(replay("moved", 16, URL))
    assert count_trials(there.trials).finished == 16


def test_a_copy_never_writes_over_a_study(studied):
    copy_study(URL, OTHER, "moved")
    with pytest.raises(CopyError, match="there is a study 'moved' already; it is left as it is"):
        copy_study(URL, OTHER, "moved")


def test_a_copy_that_was_interrupted_is_begun_anew(studied):
    half = optuna.create_study(storage=open_storage(OTHER), study_name="moved")
    half.add_trials(studied.trials[:5])
    copy_study(URL, OTHER, "moved")
    assert load("moved", OTHER).trials == studied.trials


def test_a_study_that_runs_is_not_copied(studied):
    mine = optuna.load_study(study_name="moved", storage=open_storage(URL))
    mine.ask()
    with pytest.raises(CopyError, match="trial 12 of study 'moved' is running"):
        copy_study(URL, OTHER, "moved")


def test_a_trial_that_arrives_otherwise_is_noticed(studied, monkeypatch):
    def all_but_one(self, trials):
        for trial in trials[:-1]:
            self.add_trial(trial)

    monkeypatch.setattr(optuna.Study, "add_trials", all_but_one)
    with pytest.raises(CopyError, match=r"did not arrive as it was \(trials \[11\]\)"):
        copy_study(URL, OTHER, "moved")


def test_the_command(studied, command, postgres_url):
    done = command("search", "copy", "--from", URL, "--to", postgres_url, "--name", "moved")
    assert "moved: 12 trials copied to postgresql+psycopg://tester:***@/d" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    status = command("search", "status", "--name", "moved", "--storage", postgres_url)
    assert "moved: 12 finished" in status.stdout
    assert "secret" not in status.stdout + status.stderr
