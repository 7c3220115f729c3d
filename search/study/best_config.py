"""Writes the best configuration as a TOML file that trains again without Optuna."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fmnist_model.utils.atomic_write import write_atomically
from fmnist_model.utils.errors import UserError
from fmnist_model.utils.versions import versions
from search.presets.files import parse_preset
from search.presets.search_space import configurations
from search.storage.url import without_password
from search.study.trials import best_trials, ending

RESULTS = Path("studies/results")


class ExportError(UserError):
    """There is no such trial to export, or it did not complete."""


def export(study: Study, url: str, number: int | None = None) -> Path:
    """Write studies/results/<study>/best.toml from the best completed trial, or trial `number`.

    The file appears whole or not at all. Raises ExportError where there is no such trial.
    """
    trial = _chosen(study, number)
    path = RESULTS / study.study_name / "best.toml"
    write_atomically(path, tomli_w.dumps(_contents(study, url, trial)))
    return path


def _chosen(study: Study, number: int | None) -> FrozenTrial:
    trials = study.get_trials(deepcopy=False)
    if number is None:
        best = best_trials(trials, 1)
        if not best:
            raise ExportError(
                f"study {study.study_name!r} has no completed trial yet; search on with more TRIALS"
            )
        return best[0]
    if not 0 <= number < len(trials):
        raise ExportError(
            f"study {study.study_name!r} has no trial {number}; its trials are 0 to "
            f"{len(trials) - 1}"
        )
    if trials[number].state != TrialState.COMPLETE:
        raise ExportError(
            f"trial {number} of study {study.study_name!r} is {ending(trials[number])}, not "
            f"completed; choose one that is, or leave TRIAL= out for the best"
        )
    return trials[number]


def _contents(study: Study, url: str, trial: FrozenTrial) -> dict[str, Any]:
    preset = parse_preset(study.user_attrs["preset"], f"study {study.study_name}")
    model, train = configurations(preset, trial.params, trial.user_attrs["seed"])
    data = {"sha256": study.user_attrs["data_sha256"], "limit": preset.data.limit}
    provenance = {
        "study": study.study_name,
        "trial": trial.number,
        "validation_accuracy": trial.value,
        "storage": without_password(url),
        "study_seed": study.user_attrs["seed"],
        "device": trial.user_attrs["device"],
        "precision": trial.user_attrs["precision"],
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "searched_with": study.user_attrs["versions"],
        "exported_with": versions(),
    }
    return {
        "model": _without_none(model.model_dump(mode="json")),
        "train": _without_none(train.model_dump(mode="json")),
        "data": _without_none(data),
        "provenance": provenance,
    }


def _without_none(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value is not None}
