"""A study and its identity: the preset, seed and data that all of its trials share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study

from fmnist_model.utils import Remedy, UserError, versions
from search.presets import DEFAULT_SEED, Preset, parse_preset
from search.storage import StorageError, without_password


class StudyMismatchError(UserError):
    """A study exists, but was begun with another question: the message says what differs."""


def open_study(
    storage: RDBStorage,
    name: str,
    preset: Preset,
    seed: int | None,
    attributes: Mapping[str, Any] = MappingProxyType({}),
) -> Study:
    """Load the study, or create it; raise StudyMismatchError where it began with other settings.

    Without `seed` an existing study keeps its own and a new one takes DEFAULT_SEED. A study that
    the preset began when it had no budgets yet goes on as it began: see `as_begun`. `attributes`
    are further user attributes of a new study.
    """
    study = optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True
    )
    # In this order: a worker that opens it at the same time writes the preset before any trial.
    has_trials = bool(study.get_trials(deepcopy=False))
    known = study.user_attrs
    if "preset" not in known:
        if has_trials:
            raise StudyMismatchError(
                f"study {name!r} was not made by this program (it has no preset of ours)",
                Remedy.RENAME_STUDY,
            )
        study.set_user_attr("versions", versions())
        study.set_user_attr("seed", DEFAULT_SEED if seed is None else seed)
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        study.set_user_attr("preset", preset.identity())  # last: it says that the others are there
        return study
    before = parse_preset(known["preset"], f"study {name}")  # with defaults that are new since
    differences = _differences(before.identity(), as_begun(study, preset).identity())
    if seed is not None and seed != known["seed"]:
        differences.append(f"seed is {seed}, was {known['seed']}")
    _refuse(name, differences)
    return study


def is_begun(storage: RDBStorage, name: str) -> bool:
    """Is there a study of this name that `open_study` has opened?"""
    if name not in optuna.get_all_study_names(storage):
        return False
    return "preset" in optuna.load_study(study_name=name, storage=storage).user_attrs


def as_begun(study: Study, preset: Preset) -> Preset:
    """The preset that the study goes on with.

    It is `preset`, unless that is searched in budgets and the study was begun without: then without
    them and what belongs to them, and with the pruner that the study has.
    """
    known = study.user_attrs.get("preset")
    if known is None or preset.search is None:
        return preset
    before = parse_preset(known, f"study {study.study_name}")
    if before.search is not None:
        return preset
    without = {"search": None, "objective": None, "prior": None, "pruner": before.pruner}
    return preset.model_copy(update=without)


def check_data(study: Study, sha256: str) -> None:
    """Note which data the study uses; raise StudyMismatchError where it began with other data."""
    known = study.user_attrs.get("data_sha256")
    if known is None:
        study.set_user_attr("data_sha256", sha256)
    elif known != sha256:
        _refuse(study.study_name, [f"data has SHA-256 {sha256[:12]}..., was {known[:12]}..."])


def load_study(storage: RDBStorage, url: str, name: str) -> Study:
    """Load a study that must exist; raise StorageError, naming those that do, where it does not."""
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        names = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
        raise StorageError(
            f"{without_password(url)}: there is no study {name!r}; it has {names}"
        ) from None
    if "preset" not in study.user_attrs:
        raise StudyMismatchError(f"study {name!r} was not made by this program")
    return study


def _refuse(name: str, differences: list[str]) -> None:
    if differences:
        raise StudyMismatchError(
            f"study {name!r} was begun with other settings: {'; '.join(differences)}",
            Remedy.RESTORE_OR_RENAME,
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = _flat(old), _flat(new)
    keys = [*before, *(key for key in after if key not in before)]
    return [
        f"{key} is {after.get(key, 'absent')!r}, was {before.get(key, 'absent')!r}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def _flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{path}{key}."))
        elif value is not None:
            flat[f"{path}{key}"] = value
    return flat
