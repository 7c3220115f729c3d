"""A study made before records had a version: it reads, resumes, and comes to the same results."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import tomllib

import pytest

from search.execution.job import SearchJob, SearchStoppedError
from search.execution.runner import run_search
from search.presets.files import load_preset
from search.study.best_config import export
from search.study.process_identity import ProcessIdentity
from search.study.trial_record import RECORD_VERSION, TrialRecord
from search.study.trials import count_trials, ending, ordinals
from studies.figures.trial_frame import trial_table
from studies.report.write import draw_report
from tests.conftest import PATHS
from tests.search.conftest import URL, load, quiet_progress
from tests.search.study.conftest import OLD

ENDINGS = [
    "completed",
    "stuck",
    "diverged",
    "failed",
    "failed",
    "lost",
    "lost",
    "pruned",
    "pruned",
    "completed",
    "pruned",
]
ENDINGS += ["failed"] * 4 + ["lost"]


def stored(study: str) -> list[dict[str, object]]:
    """The user attributes of each trial, straight from the database."""
    question = (
        "select t.number, a.key, a.value_json from trials t join studies s using (study_id) "
        "join trial_user_attributes a using (trial_id) where s.study_name = ? order by t.number"
    )
    with contextlib.closing(sqlite3.connect("studies/results/studies.db")) as connection:
        rows = connection.execute(question, (study,)).fetchall()
    found: list[dict[str, object]] = [{} for _ in range(1 + rows[-1][0])]
    for number, key, value in rows:
        found[number][key] = json.loads(value)
    return found


@pytest.mark.parametrize("study", ["kept", "recorded"])
def test_each_record_reads_to_the_values_that_the_database_holds(old_study, study):
    trials = load(study).trials
    for trial, attributes in zip(trials, stored(study), strict=True):
        record = TrialRecord.of(trial)
        assert record.version == 0
        for key, value in attributes.items():
            read = getattr(record, key)
            if key in ("diagnosis", "recorded") and value is not None:
                assert vars(read) == value
            elif key == "worker":
                assert read == ProcessIdentity(**value)
            else:
                assert read == value, (trial.number, key)


def test_it_holds_every_ending_and_a_run_that_was_let_go_on(old_study):
    assert [ending(trial) for trial in load("kept").trials] == ENDINGS
    assert {TrialRecord.of(t).fail_reason for t in load("kept").trials} == {
        *(None, "exception", "killed", "interrupted")
    }
    assert TrialRecord.of(load("recorded").trials[1]).recorded.step == 7


def test_status_is_the_same(old_study, command):
    done = command("search", "status", "--study", "kept", "--json")
    assert json.loads(done.stdout) == json.loads((OLD / "status.json").read_text())


def test_the_table_is_the_same(old_study):
    table = trial_table(load("kept").trials).to_csv(index=False)
    assert table.splitlines() == (OLD / "trials.csv").read_text().splitlines()


def test_the_export_is_the_same_but_for_when_and_by_what(old_study):
    before = tomllib.loads((OLD / "best.toml").read_text())
    after = tomllib.loads(export(load("kept"), URL, PATHS.results).read_text())
    for written in (before, after):
        del written["provenance"]["exported"], written["provenance"]["exported_with"]
    assert after == before


def test_the_report_is_drawn_with_the_evaluation(old_study):
    written = draw_report(load("kept"), PATHS.results, print, copies=False)
    page = written.page.read_text()
    assert "0.6720" in page
    assert re.search("13 trials", page)
    accuracy = json.loads((OLD / "evaluation.json").read_text())["accuracy"]["mean"]
    assert f"{accuracy:.4f}" in page


def test_it_is_gone_on_with(old_study, custom_data):
    """The trial that was lost last is tried again, under its ordinal."""
    before = load("kept").trials
    job = SearchJob(load_preset("kept", PATHS.presets), "kept", URL, 8, data=custom_data)
    with contextlib.suppress(SearchStoppedError):  # the sampler may choose what cannot be built
        run_search(job, quiet_progress())
    trials = load("kept").trials
    assert trials[: len(before)] == before
    again = TrialRecord.of(trials[len(before)])
    assert (again.retry_of, again.version) == (15, RECORD_VERSION)
    assert ordinals(trials)[16] == TrialRecord.of(before[15]).ordinal
    assert count_trials(trials).lost == count_trials(before).lost
