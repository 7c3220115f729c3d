"""Notes and artifacts are where optuna-dashboard's own functions look for them."""

from __future__ import annotations

import optuna
import pytest
from optuna_dashboard import get_note, save_note
from optuna_dashboard.artifact._backend import list_trial_artifacts

from search.storage.optuna_internals import study_system_attrs
from studies.dashboard.dashboard_internals import (
    artifact_key,
    attach_artifact,
    read_note,
    write_note,
)

META = {"artifact_id": "a-b", "filename": "c.svg", "mimetype": "image/svg+xml", "encoding": None}


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study()
    study.add_trial(optuna.create_trial(value=0.5))
    return study


def test_a_note_on_the_study_is_the_dashboards(study):
    assert read_note(study_system_attrs(study), None) == ""
    write_note(study, study_system_attrs(study), None, "first")
    assert get_note(study) == "first"
    save_note(study, "a person's, " + "long " * 1000)
    assert read_note(study_system_attrs(study), None) == get_note(study)
    write_note(study, study_system_attrs(study), None, "second")
    assert get_note(study) == "second"


def test_a_note_on_a_trial_is_kept_apart(study):
    (trial,) = study.trials
    write_note(study, study_system_attrs(study), trial, "of the trial")
    assert read_note(study_system_attrs(study), trial) == "of the trial"
    assert read_note(study_system_attrs(study), None) == ""


def test_an_artifact_of_a_trial_that_has_ended_is_listed(study):
    (trial,) = study.trials
    attach_artifact(study, trial, META)
    assert artifact_key(trial, "a-b") in study_system_attrs(study)
    listed = list_trial_artifacts(study_system_attrs(study), trial.system_attrs, trial)
    assert listed == [META]
