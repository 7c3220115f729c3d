"""Adds what the report says to optuna-dashboard: notes, training curves and two figures.

Notes that the user has written or edited stay as they are. The training curves are files in a
folder of artifacts.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import optuna
from jinja2 import Environment, FileSystemLoader
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from fmnist_model.config import CLASSES
from fmnist_model.hyperparameters import shown
from search.algorithms import STOPPED
from search.presets import parse_preset
from search.storage import study_system_attrs, trial_id
from search.study import (
    TrialRecord,
    Winner,
    budgeted_preset,
    ending,
    epochs_in_words,
    failure,
    front_in_words,
    interval_in_words,
    run_in_words,
    seeds_in_words,
    winner,
)
from studies.dashboard.dashboard_internals import (
    artifact_key,
    attach_artifact,
    read_note,
    write_note,
)
from studies.figures import (
    NEUTRAL_TEMPLATE,
    budgets,
    ended_trials,
    escaped,
    history,
    pareto,
    trial_table,
)
from studies.report import Wording, as_python, duration_in_words, summarize

Say = Callable[[str], None]
WordingFor = Callable[[str], Wording]
"""A function that returns the wording of commands for the study of a given name."""

SIGNATURE = "*Written by the dashboard; edit it and it is yours.*"
SIGNED = "; edit it and it is yours.*"
"""The end of this signature and of all earlier ones, by which our own notes are recognised."""
ANNOUNCE_ABOVE_TRIALS = 100
"""Notes on more trials than this take a while, so a message announces them."""


def artifact_store(folder: Path) -> FileSystemArtifactStore:
    """The store of training curves in `folder`, which is created if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    return FileSystemArtifactStore(str(folder))


def annotate(
    study: Study, store: FileSystemArtifactStore, say: Say, wording: Wording = as_python
) -> None:
    """Update the dashboard's notes, curves and figures of a study.

    `wording` words the commands in the study's note. A study that this project has not made stays
    as it is.
    """
    if "preset" not in study.user_attrs:
        return
    trials = ended_trials(study.get_trials(deepcopy=False))
    attrs = study_system_attrs(study)
    new = [trial for trial in trials if artifact_key(trial, _curve_name(trial)) not in attrs]
    if not new and attrs:
        return
    if len(new) > ANNOUNCE_ABOVE_TRIALS:
        say(f"writing the notes and curves of {len(new):,} trials of {study.study_name}")
    for trial in new:
        if ending(trial) in ("stuck", "diverged", "failed"):
            run = run_in_words(trial)
            body = _trial_note(trial) + (f"\n\n{_plain(run)}" if run else "")
            _write_note(study, attrs, trial, body)
        _attach_curve(study, store, trial)
    _write_note(study, attrs, None, _study_note(study, trials, wording))
    _figures(study, trials)


def _write_note(study: Study, attrs: dict[str, Any], trial: FrozenTrial | None, body: str) -> None:
    """Write a note if there is none, or replace one of our own."""
    present = read_note(attrs, trial)
    if not present or SIGNED in present:
        write_note(study, attrs, trial, f"{body}\n\n{SIGNATURE}")


def _trial_note(trial: FrozenTrial) -> str:
    how, diagnosis = ending(trial), TrialRecord.of(trial).diagnosis
    if how == "failed":
        return f"**failed**: {_plain(failure(trial))}"
    if diagnosis is None:
        return f"**{how}**: no diagnosis was recorded"
    where = f" in `{_plain(diagnosis.layer)}`" if diagnosis.layer else ""
    dated = diagnosis.epoch is not None and diagnosis.step is not None
    since = f" since epoch {diagnosis.epoch}, step {diagnosis.step}" if dated else ""
    lines = "  \n".join(_plain(line) for line in wrap(diagnosis.message or "", 90))
    return f"**{how}**: {_plain(diagnosis.kind)}{where}{since}\n\n{lines}".rstrip()


def _plain(text: object) -> str:
    """The text with all characters escaped that have a meaning in Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!~" else c for c in str(text))


def _with_code_spans(text: str) -> str:
    """The same as `_plain`, except that text between backticks stays code."""
    parts = text.split("`")
    return "`".join(part if index % 2 else _plain(part) for index, part in enumerate(parts))


def _study_note(study: Study, trials: Sequence[FrozenTrial], wording: Wording) -> str:
    preset = parse_preset(study.user_attrs["preset"], f"study {study.study_name}")
    summary = summarize(preset, trials, wording, study.user_attrs.get(STOPPED))
    lines = [f"# {_plain(study.study_name)}"]
    if summary.winner is not None and summary.best is not None:
        lines.append(_best_line(summary.winner))
        front = front_in_words(summary.winner)
        lines += [_plain(front)] if front is not None else []
        lines += [f"- {_plain(n)}: {_plain(shown(v))}" for n, v in summary.best.params.items()]
    lines.append("What the search suggests:")
    lines += [f"- {_with_code_spans(sentence)}" for sentence in summary.advice]
    saved_seconds = sum(saved.seconds for saved in summary.time_saved.values())
    lines.append(
        f"Training took {duration_in_words(summary.train_seconds)}; stopping early saved about "
        f"{duration_in_words(saved_seconds)}, estimated from the study's own steps."
    )
    return "\n\n".join(lines).replace("\n\n- ", "\n- ")


def _best_line(best: Winner) -> str:
    if best.standing is None:
        return f"Best: **{best.value:.4f}**, trial {best.trial.number}"
    one = best.standing
    return (
        f"Best: configuration {one.configuration}, trial {one.number}: expected accuracy "
        f"**{one.mean:.4f}** ({interval_in_words(one)}; {seeds_in_words(one)} of "
        f"{epochs_in_words(one.budget)}), {_plain(best.reason)}"
    )


def _curve_name(trial: FrozenTrial) -> str:
    """The artifact's id: a UUID, as the dashboard requires, which is the same at every call."""
    return str(uuid5(NAMESPACE_URL, f"{trial_id(trial)} {trial.number} {trial.datetime_complete}"))


def _attach_curve(study: Study, store: FileSystemArtifactStore, trial: FrozenTrial) -> None:
    name = _curve_name(trial)
    store.write(name, io.BytesIO(curve_svg(trial).encode()))
    meta = {
        "artifact_id": name,
        "filename": "training-curve.svg",
        "mimetype": "image/svg+xml",
        "encoding": None,
    }
    attach_artifact(study, trial, meta)


def curve_svg(trial: FrozenTrial) -> str:
    """The trial's validation accuracy after each epoch, as a small SVG picture."""
    values = trial.intermediate_values
    epochs = sorted(epoch for epoch in values if math.isfinite(values[epoch]))
    last = max([*epochs, 2])
    points = [(60 + 400 * (epoch - 1) / (last - 1), 220 - 200 * values[epoch]) for epoch in epochs]
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    return environment.get_template("curve.svg").render(
        title=f"trial {trial.number}: {ending(trial)}",
        points=points,
        last=last,
        chance=220 - 200 / CLASSES,
        ticks=[(value / 10, 220 - 20 * value) for value in range(0, 11, 2)],
    )


def _figures(study: Study, trials: Sequence[FrozenTrial]) -> None:
    from optuna_dashboard import save_plotly_graph_object

    safe, best = escaped(trial_table(trials)), winner(trials, budgeted_preset(study))
    curves = history.curves_data(trials, best.trial.number if best is not None else None)
    drawn = {"Training curves": history.draw_curves(curves)}
    if "budget" in safe.columns:
        by_budget = budgets.budget_history_data(safe)
        drawn["History by budget"] = budgets.draw_budget_history(by_budget)
    else:
        drawn["History by ending"] = history.draw_history(history.history_data(safe))
    if best is not None and best.standing is not None:
        drawn["Race"] = budgets.draw_race(budgets.race_data(best.standings, best.standing))
        for measure in best.objective.minimize if best.objective is not None else ():
            front = pareto.front_data(best, measure)
            drawn[f"Accuracy and {measure}"] = pareto.draw_front(front)
    for title, figure in drawn.items():
        figure.update_layout(template=NEUTRAL_TEMPLATE, title=title, margin={"t": 90})
        name = title.lower().replace(" ", "-").replace("_", "-")
        save_plotly_graph_object(study, figure, graph_object_id=name)


def annotate_all(
    storage: BaseStorage, store: FileSystemArtifactStore, say: Say, wording_for: WordingFor
) -> None:
    """Call `annotate` for every study of a storage."""
    for info in optuna.get_all_study_summaries(storage, include_best_trial=False):
        name = info.study_name
        study = optuna.load_study(study_name=name, storage=storage)
        annotate(study, store, say, wording_for(name))
