"""Moves a study to another database, and verifies that all of it has arrived."""

from __future__ import annotations

from dataclasses import dataclass

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from fmnist_model.utils import Remedy, UserError
from search.storage import (
    fields_without_id,
    open_read_only,
    open_storage,
    set_study_system_attr,
    storage_errors_explained,
    storage_of,
    study_id,
    study_system_attrs,
    without_password,
)
from search.study.study import load_study
from search.study.trials import ending

PRESET = "preset"


class CopyError(UserError):
    """A study cannot be copied: it still runs, is there already, or did not arrive whole."""


@dataclass(frozen=True)
class CopiedStudy:
    """A study that was copied: its name, how many trials it has, and the URLs of both databases
    without their passwords."""

    study: str
    trials: int
    source: str
    target: str


def copy_study(source: str, target: str, name: str) -> CopiedStudy:
    """Copy study `name` from the database at one URL to that at the other; nothing is removed.

    The preset, by which a study is known as one, is written last: a copy that was interrupted is
    begun anew. Raises CopyError where a trial still runs or the study is there already.
    """
    with storage_errors_explained(source):
        study = load_study(open_read_only(source), source, name)
        trials = study.get_trials(deepcopy=False)
    for trial in trials:
        if ending(trial) in ("running", "waiting"):
            problem = f"trial {trial.number} of study {name!r} is {ending(trial)}"
            raise CopyError(problem, Remedy.FINISH_TRIAL)
    with storage_errors_explained(target):
        copy = _empty_study(open_storage(target), target, study)
        for trial in trials:  # not add_trials: it refuses what was enqueued outside of the space
            storage_of(copy).create_new_trial(study_id(copy), template_trial=trial)
        attributes = study.user_attrs
        for key in sorted(attributes, key=lambda key: key == PRESET):
            copy.set_user_attr(key, attributes[key])
        for key, value in study_system_attrs(study).items():
            set_study_system_attr(copy, key, value)
        _verify(study, copy, target)
    return CopiedStudy(name, len(trials), without_password(source), without_password(target))


def _empty_study(storage: RDBStorage, url: str, like: Study) -> Study:
    name = like.study_name
    if name in optuna.get_all_study_names(storage):
        if PRESET in optuna.load_study(study_name=name, storage=storage).user_attrs:
            raise CopyError(
                f"{without_password(url)}: there is a study {name!r} already; it is left as it is"
            )
        optuna.delete_study(study_name=name, storage=storage)  # a copy that was interrupted
    return optuna.create_study(storage=storage, study_name=name, directions=like.directions)


def _verify(study: Study, copy: Study, url: str) -> None:
    before, after = ([_facts(t) for t in s.get_trials(deepcopy=False)] for s in (study, copy))
    wrong = [number for number, facts in enumerate(before) if after[number : number + 1] != [facts]]
    attributes, arrived = (repr(sorted(s.user_attrs.items())) for s in (study, copy))
    if wrong or len(before) != len(after) or attributes != arrived:
        raise CopyError(
            f"{without_password(url)}: study {study.study_name!r} did not arrive as it was "
            f"(trials {wrong[:5]}); remove it there, and copy again"
        )


def _facts(trial: FrozenTrial) -> str:
    """All that a trial holds, but for its key in the database.

    As a text, for figures that are not a number are not equal to themselves.
    """
    return repr(fields_without_id(trial))
