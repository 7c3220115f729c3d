"""A study moved to another database is the same study there."""

from __future__ import annotations

import copy

import optuna
import pytest

from search.storage.connection import open_storage
from search.storage.optuna_internals import storage_of, study_id
from search.storage.rdb import FastRDBStorage
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
    create = FastRDBStorage._create_new_trial

    def one_altered(self, study_id, template_trial=None):
        if template_trial is not None and template_trial.number == 11:
            template_trial = copy.deepcopy(template_trial)
            template_trial.user_attrs["more"] = 1
        return create(self, study_id, template_trial)

    monkeypatch.setattr(FastRDBStorage, "_create_new_trial", one_altered)
    with pytest.raises(CopyError, match=r"did not arrive as it was \(trials \[11\]\)"):
        copy_study(URL, OTHER, "moved")


def test_what_other_programs_added_arrives_too(studied):
    """Figures that are not a number, and parameters outside of their range."""
    mine = optuna.load_study(study_name="moved", storage=open_storage(URL))
    outside = studied.trials[0]
    outside.params["dropout"] = 0.9
    outside.user_attrs["figure"] = float("nan")
    outside.intermediate_values[9] = float("nan")
    storage_of(mine).create_new_trial(study_id(mine), template_trial=outside)
    copy_study(URL, OTHER, "moved")
    after = load("moved", OTHER).trials[-1]
    assert after.params["dropout"] == 0.9
    assert after.user_attrs["figure"] != after.user_attrs["figure"]


def test_the_command(studied, invoke, postgres_url):
    done = invoke("search", "copy", "--from", URL, "--to", postgres_url, "--name", "moved")
    assert "moved: 12 trials copied to postgresql+psycopg://tester:***@/d" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    status = invoke("search", "status", "--name", "moved", "--storage", postgres_url)
    assert "moved: 12 finished" in status.stdout
    assert "secret" not in status.stdout + status.stderr
