"""The private names of optuna-dashboard that notes and curves rely on; checked with 0.21.0.

The public functions of optuna-dashboard need a running `optuna.Trial`, but notes and artifacts are
added here to trials that have ended. `tests/studies/dashboard/` checks that a dashboard shows them.
"""

from __future__ import annotations

import json
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from search.storage import set_study_system_attr, storage_of, study_id, trial_id


def read_note(system_attrs: dict[str, Any], trial: FrozenTrial | None) -> str:
    """The note on a trial, or on the study if `trial` is None; an empty string if there is none.

    `system_attrs` are the study's, read once for all of its notes. Relies on
    `optuna_dashboard._note.get_note_from_system_attrs`.
    """
    from optuna_dashboard._note import get_note_from_system_attrs

    body: str = get_note_from_system_attrs(system_attrs, _id_or_none(trial))["body"]
    return body


def write_note(
    study: Study, system_attrs: dict[str, Any], trial: FrozenTrial | None, body: str
) -> None:
    """Write a note in Markdown, as the version after the one in `system_attrs`; see `read_note`.

    Relies on `optuna_dashboard._note.save_note_with_version`.
    """
    from optuna_dashboard._note import get_note_from_system_attrs, save_note_with_version

    key = _id_or_none(trial)
    version = get_note_from_system_attrs(system_attrs, key)["version"] + 1
    save_note_with_version(storage_of(study), study_id(study), key, version, body)


def _id_or_none(trial: FrozenTrial | None) -> int | None:
    return None if trial is None else trial_id(trial)


def artifact_key(trial: FrozenTrial, artifact: str) -> str:
    """The study's system attribute in which the dashboard looks for an artifact of a trial.

    Relies on `optuna_dashboard.artifact._backend.DASHBOARD_ARTIFACTS_ATTR_PREFIX`, the key of what
    is uploaded by its page. `optuna.artifacts.upload_artifact` writes to the trial instead, which
    one that has ended refuses.
    """
    return f"dashboard:artifacts:{trial_id(trial)}:{artifact}"


def attach_artifact(study: Study, trial: FrozenTrial, meta: dict[str, Any]) -> None:
    """Make the dashboard show a file of the artifact store at a trial.

    `meta` has the fields of Optuna's `ArtifactMeta`: artifact_id, filename, mimetype and encoding.
    """
    set_study_system_attr(study, artifact_key(trial, meta["artifact_id"]), json.dumps(meta))
