"""The parts of a study's report, the answer first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.hyperparameters import shown
from search.presets import Dimension, Preset
from search.study import best_trials
from studies.figures import (
    MARKS_EXPLAINED,
    escaped,
    history,
    hyperparameters,
    optuna_plots,
    parameters,
    slices,
    trial_table,
)
from studies.page import Figure, Section, Table, Tile
from studies.report.commands import Wording, as_python
from studies.report.evaluation import closing_advice, evaluation_section, test_accuracy_tile
from studies.report.summary import StudySummary, TimeSaved, duration_in_words, summarize

KINDS = {
    "dead_output": "every output is zero or saturated on every training image, so that every "
    "gradient is exactly zero",
    "dead_layer": "every unit of a hidden layer is zero on every training image, so that nothing "
    "before it has a gradient",
}
PARALLEL_PIXELS = 78
"""So wide each axis of the parallel coordinates has to be, for its labels."""


def report_sections(
    preset: Preset,
    trials: Sequence[FrozenTrial],
    directory: Path,
    wording: Wording = as_python,
    stopped: dict[str, Any] | None = None,
) -> list[Section]:
    """All parts of the page; those without anything to show are left out."""
    table = trial_table(trials)
    if table.empty:
        return [Section("Answer", "No trial has ended yet; search on and draw the report again.")]
    found, safe = summarize(preset, trials, wording, stopped), escaped(table)
    closing = closing_advice(directory, found.best, wording)
    return [
        _answer_section(preset, found, table, directory, closing),
        *evaluation_section(directory, found),
        _course_section(trials, safe),
        _axes_section(trials, safe),
        _stuck_section(found, table, safe, _is_log(trials)),
        _best_section(trials),
    ]


def _answer_section(
    preset: Preset, found: StudySummary, table: pd.DataFrame, directory: Path, closing: list[str]
) -> Section:
    tiles, tables = [], []
    if found.best is not None:
        tiles = [
            _best_tile(found.best),
            *_expected_tile(found),
            *test_accuracy_tile(directory, found.best),
        ]
        caption = f"The best configuration, trial {found.best.number}"
        head = ("hyperparameter", "value", "searched")
        tables = [Table(head, _settings(preset, found.best), caption=caption)]
    workers = table["worker"].nunique()
    by = f", {workers} processes" if workers > 1 else ""
    tiles.append(
        Tile(duration_in_words(found.wall_seconds), "time spent", f"on {len(table):,} trials{by}")
    )
    tiles += [_saving(name, saved) for name, saved in found.time_saved.items() if saved.trials]
    note = (
        "Time saved is training time, estimated: the steps that a trial had left, times the median "
        "time of a step in the study's own completed and pruned trials of the same network."
    )
    if found.selection_bias is not None:
        note += (
            " What choosing the best adds is estimated by drawing each completed trial's accuracy "
            "anew with the binomial variance of the validation images, independently between "
            "trials, and comparing the best of each draw with its own figure. Trials share the "
            "images, so this overstates the images' part; that the winner's seed was lucky is not "
            "in it."
        )
    points = [*found.advice, *closing]
    return Section(
        "Answer", tiles=tiles, tables=tables, heading="What next", points=points, note=note
    )


def _best_tile(best: FrozenTrial) -> Tile:
    note = f"trial {best.number}, after its last epoch"
    return Tile(f"{best.value:.4f}", "best validation accuracy", note)


def _expected_tile(found: StudySummary) -> list[Tile]:
    """The best accuracy less what having chosen it adds."""
    if found.selection_bias is None or found.best is None or found.best.value is None:
        return []
    mean, high = (max(one, 0.0) for one in (found.selection_bias.mean, found.selection_bias.high))
    by = f"about {mean:.4f}" if mean >= 0.0001 else "less than 0.0001"
    note = (
        f"{by} (up to {high:.4f}), the best of {found.selection_bias.trials} completed trials on "
        f"{found.selection_bias.images:,} images"
    )
    return [Tile(f"{found.best.value - mean:.4f}", "less what choosing it adds", note)]


def _settings(preset: Preset, best: FrozenTrial) -> list[list[str]]:
    """What was searched, with its space, and what the preset fixes beside it."""
    space = preset.space.dimensions()
    rows = [[name, shown(value), _searched(space.get(name))] for name, value in best.params.items()]
    model = ModelConfig(**{"architecture": "cnn", **preset.model})
    fixed = {
        "architecture": model.architecture,
        **preset.model,
        "epochs": preset.epochs,
        "batch_size": TrainConfig(**preset.train).batch_size,
        **preset.train,
    }
    rows += [[n, shown(v), "fixed by the preset"] for n, v in fixed.items() if n not in best.params]
    if preset.data.limit is not None:
        rows.append(["training images", f"{preset.data.limit:,}", "fixed by the preset"])
    return rows


def _searched(dimension: Dimension | None) -> str:
    if dimension is None:
        return ""
    if dimension.choices is not None:
        return ", ".join(map(shown, dimension.choices))
    return f"{dimension.low:g} to {dimension.high:g}{', by logarithm' if dimension.log else ''}"


def _saving(name: str, saved: TimeSaved) -> Tile:
    what = {"stuck": "stopping stuck runs", "pruned": "pruning", "diverged": "stopping divergence"}
    plural = "trial" if saved.trials == 1 else "trials"
    note = f"{saved.trials:,} {plural}; estimated"
    return Tile(duration_in_words(saved.seconds), f"saved by {what[name]}", note)


def _course_section(trials: Sequence[FrozenTrial], safe: pd.DataFrame) -> Section:
    drawn = [
        Figure(
            "Optimisation history",
            history.draw_history(history.history_data(safe)),
            "Each trial's accuracy after its last epoch; the line is the best that completed.",
        ),
        Figure(
            "Training curves",
            history.draw_curves(history.curves_data(trials)),
            "Validation accuracy after each epoch. Stuck and diverged trials end, with a mark, at "
            "the step at which they were stopped.",
        ),
    ]
    timeline = history.timeline_data(safe)
    if len(timeline.bars):
        drawn.append(
            Figure(
                "Timeline of the workers",
                history.draw_timeline(timeline),
                "A bar a trial. A process that began after another had ended takes its row.",
            )
        )
    return Section("How the search went", figures=drawn)


def _axes_section(trials: Sequence[FrozenTrial], safe: pd.DataFrame) -> Section:
    along: dict[str, BaseDistribution] = {n: d for t in trials for n, d in t.distributions.items()}
    drawn = [
        Figure(name, slices.draw_slice(slices.slice_data(safe, column, along[name])), width="part")
        for name, column in zip(parameters(trials), hyperparameters(safe), strict=True)
    ]
    sketch = optuna_plots.escaped_copy(trials)
    shares = optuna_plots.importances_data(sketch)
    surface = slices.surface_data(safe, _is_log(trials))
    more = [
        (
            "Importances",
            None if shares is None else optuna_plots.draw_importances(shares),
            "How much of the differences between completed trials each hyperparameter explains.",
            "half",
        ),
        (
            "Empirical distribution",
            optuna_plots.draw_edf(sketch),
            "How large a share of the completed trials stays below an accuracy.",
            "half",
        ),
        (
            "Contour of learning rate and dropout",
            None if surface is None else slices.draw_surface(surface),
            "Mean accuracy of the completed trials thereabouts, whatever else they had; each "
            "trial's own is the colour of its dot.",
            "whole",
        ),
        (
            "Parallel coordinates",
            optuna_plots.draw_parallel(sketch),
            f"A line a completed trial, the best {optuna_plots.PARALLEL_TRIALS} at most; the "
            f"stronger, the "
            "better.",
            "whole",
        ),
    ]
    least = PARALLEL_PIXELS * (2 + len(along))
    drawn += [
        Figure(title, figure, text, width, least if title.startswith("Parallel") else 0)
        for title, figure, text, width in more
        if figure is not None
    ]
    missing = [title.lower() for title, figure, *_ in more if figure is None]
    lead = (
        f"Each trial's accuracy after its last epoch ({MARKS_EXPLAINED}); below, where there were "
        f"any, the share of trials that got stuck or diverged."
    )
    note = f"Too few completed trials for: {', '.join(missing)}." if missing else ""
    return Section("Hyperparameters", lead, figures=drawn, note=note)


def _is_log(trials: Sequence[FrozenTrial]) -> bool:
    """Is the learning rate searched by its logarithm?"""
    axes_of_rate = (t.distributions.get("learning_rate") for t in trials)
    return any(getattr(distribution, "log", False) for distribution in axes_of_rate)


def _stuck_section(
    found: StudySummary, table: pd.DataFrame, safe: pd.DataFrame, log: bool
) -> Section:
    stuck = table[table["ending"] == "stuck"]
    if stuck.empty:
        return Section("Stuck runs", "No trial got stuck.")
    names = hyperparameters(table)
    rows = [
        [
            str(row["trial"]),
            ", ".join(f"{n} {shown(row[n])}" for n in names if not pd.isna(row[n])),
            _known(row["kind"]),
            _known(row["layer"]),
            f"{_known(row['since_epoch'], '.0f')} / {_known(row['since_step'], '.0f')}",
            f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}",
            _known(row["message"]),
        ]
        for row, seconds in zip(
            stuck.to_dict("records"), found.time_saved["stuck"].each, strict=True
        )
    ]
    head = ("trial", "configuration", "kind", "layer", "epoch / step", "s saved", "explanation")
    panels = slices.stuck_map_data(safe)
    kinds = [kind for kind in KINDS if (stuck["kind"] == kind).any()]
    return Section(
        "Stuck runs",
        f"{len(stuck)} of {len(table)} trials could not learn any more and were stopped. "
        f"{_proved(stuck)}{''.join(f' `{k}`: {KINDS[k]}.' for k in kinds)}",
        tables=[Table(head, rows, numbers=(0, 4, 5), cards=True)],
        figures=[
            Figure(
                f"Where: {panel.title}",
                slices.draw_panel(panel, table, log),
                f"{(panel.points['ending'] == 'stuck').sum()} of {len(panel.points)} stuck",
                "part",
            )
            for panel in panels
        ],
        note=f"On the maps: {MARKS_EXPLAINED}." if panels else "",
    )


def _known(value: Any, form: str = "") -> str:
    return "-" if pd.isna(value) else f"{value:{form}}"


def _proved(stuck: pd.DataFrame) -> str:
    """Of how many trials it is proved that they are stuck."""
    proved = int(stuck["certain"].eq(True).sum())
    rest = int(stuck["certain"].eq(False).sum())
    unknown = len(stuck) - proved - rest
    might = "dropout or momentum might in principle have revived"
    if not rest and not unknown:
        return "That is proved of each of them."
    if not proved and not unknown:
        return f"It is not proved of them: {might} them."
    said = f"Of {proved} that is proved"
    said += f"; {might} the other {rest}" if rest and not unknown else ""
    said += f"; {might} another {rest}" if rest and unknown else ""
    said += f"; of {unknown} no diagnosis was recorded" if unknown else ""
    return f"{said}."


def _best_section(trials: Sequence[FrozenTrial]) -> Section:
    best = best_trials(trials, 10)
    names = parameters(best)
    rows = [
        [str(t.number), f"{t.value:.4f}", *(shown(t.params.get(name, "")) for name in names)]
        for t in best
    ]
    if not rows:
        return Section("Best trials", "No trial has completed.")
    figures = [n for n, name in enumerate(names, 2) if _is_number(best, name)]
    return Section(
        "Best trials",
        tables=[Table(("trial", "accuracy", *names), rows, numbers=(0, 1, *figures))],
        note="All trials are in trials.csv and trials.parquet beside this page, one row a trial.",
    )


def _is_number(trials: Sequence[FrozenTrial], name: str) -> bool:
    values = [trial.params[name] for trial in trials if name in trial.params]
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
