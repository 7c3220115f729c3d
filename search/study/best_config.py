"""Writes the best configuration as a TOML file that trains again without Optuna."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.utils import Remedy, UserError, validation_sentence, versions, write_atomically
from search.presets import ExportRule, Preset, configurations, parse_preset
from search.storage import without_password
from search.study.record_values import SEEDS
from search.study.trial_record import TrialRecord
from search.study.trials import ending
from search.study.winner import (
    Winner,
    budgeted_preset,
    infeasible_in_words,
    winner_of,
)


class ExportError(UserError):
    """There is no such trial to export, it did not complete, or its parameters do not suffice."""


def export(
    study: Study,
    url: str,
    results: Path,
    number: int | None = None,
    rule: ExportRule | None = None,
) -> Path:
    """Write <study>/best.toml in `results`: the best configuration, or that of trial `number`.

    In a search in budgets it gets the epochs of a whole run, whatever the trial's budget was, and
    `rule` says which one is the best; by default it is the preset's. The file appears whole or not
    at all. Raises ExportError where there is no such trial, or nothing that the rule can take.
    """
    best = _chosen(study, number, rule)
    path = results / study.study_name / "best.toml"
    write_atomically(path, tomli_w.dumps(_contents(study, url, best)))
    return path


def _chosen(study: Study, number: int | None, rule: ExportRule | None) -> Winner:
    if number is None:
        best = winner_of(study, rule)
        if best is None:
            preset, trials = budgeted_preset(study), study.get_trials(deepcopy=False)
            infeasible = infeasible_in_words(trials, preset)
            if infeasible is not None:
                raise ExportError(f"study {study.study_name!r}: {infeasible}", Remedy.SEARCH_ON)
            problem = f"study {study.study_name!r} has no completed trial yet"
            raise ExportError(problem, Remedy.SEARCH_ON)
        if rule is not None and best.standing is None:
            raise ExportError(
                f"study {study.study_name!r} is not searched in budgets, so there is no rule to "
                f"choose by but the best"
            )
        return best
    if rule is not None:
        raise ExportError("give the number of a trial or a rule to choose one, not both")
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise ExportError(
            f"study {study.study_name!r} has no trial {number}; its trials are 0 to "
            f"{len(trials) - 1}"
        )
    if trials[number].state != TrialState.COMPLETE:
        raise ExportError(
            f"trial {number} of study {study.study_name!r} is {ending(trials[number])}, not "
            f"completed",
            Remedy.CHOOSE_TRIAL,
        )
    return Winner(trials[number])


def _contents(study: Study, url: str, best: Winner) -> dict[str, Any]:
    trial = best.trial
    preset = parse_preset(study.user_attrs["preset"], f"study {study.study_name}")
    model, train = _configurations(study, preset, trial)
    data = {"sha256": study.user_attrs.get("data_sha256"), "limit": preset.data.limit}
    record = TrialRecord.of(trial)
    provenance = {
        "study": study.study_name,
        "trial": trial.number,
        "validation_accuracy": best.value,
        "budget": record.budget,
        **_judged(best),
        "storage": without_password(url),
        "study_seed": study.user_attrs["seed"],
        "device": record.device,
        "precision": record.precision,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "searched_with": study.user_attrs["versions"],
        "exported_with": versions(),
    }
    return {
        "model": _without_none(model.model_dump(mode="json")),
        "train": _without_none(train.model_dump(mode="json")),
        "data": _without_none(data),
        "provenance": _without_none(provenance),
    }


def _judged(best: Winner) -> dict[str, Any]:
    """What the validation accuracy of a configuration that was judged by its seeds rests on."""
    standing, objective = best.standing, best.objective
    if standing is None:
        return {}
    judged: dict[str, Any] = {
        "validation_interval": [standing.low, standing.high],
        "validation_seeds": standing.seeds,
        "best_probability": standing.best_probability,
    }
    if objective is not None or best.rule != "best":
        judged |= {"rule": best.rule, "reason": best.reason, "measured": dict(standing.measured)}
    if objective is not None:
        judged |= objective.model_dump(mode="json", include={"minimize", "constraints"})
        judged["pareto_front"] = [one.configuration for one in best.front]
    return judged


def _configurations(
    study: Study, preset: Preset, trial: FrozenTrial
) -> tuple[ModelConfig, TrainConfig]:
    """The trial's configurations; ExportError where its parameters do not suffice for them.

    A trial that was not made by this program has no seed: it gets the study's.
    """
    name = f"trial {trial.number} of study {study.study_name!r}"
    missing = [one for one in preset.space.dimensions() if one not in trial.params]
    fields = ModelConfig.model_fields | TrainConfig.model_fields
    unknown = [one for one in trial.params if one not in fields]
    if missing:
        raise ExportError(f"{name} cannot be exported: it has no {', '.join(missing)}")
    if unknown:
        raise ExportError(
            f"{name} cannot be exported: no configuration has its {', '.join(unknown)}"
        )
    seed = TrialRecord.of(trial).seed
    if seed is None:
        seed = study.user_attrs["seed"] % SEEDS
    try:
        return configurations(preset, trial.params, seed)
    except ValidationError as error:
        raise ExportError(validation_sentence(error, f"{name} cannot be exported")) from None


def _without_none(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value is not None}
