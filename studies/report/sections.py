"""The sections of a study's report; the first one is the answer."""

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
    budgets,
    ended_trials,
    escaped,
    first_runs,
    history,
    hyperparameters,
    optuna_plots,
    parameters,
    slices,
    trial_table,
)
from studies.page import Figure, Section, Table, Tile
from studies.report.budget_sections import (
    best_caption,
    best_tiles,
    first_runs_in_words,
    race_section,
    runs_section,
)
from studies.report.commands import Wording, as_python
from studies.report.evaluation import closing_advice, evaluation_section, test_accuracy_tile
from studies.report.pareto_section import pareto_section
from studies.report.summary import StudySummary, TimeSaved, duration_in_words, summarize

DIAGNOSIS_KINDS = {
    "dead_output": "every output is zero or saturated on every training image, so that every "
    "gradient is exactly zero",
    "dead_layer": "every unit of a hidden layer is zero on every training image, so that nothing "
    "before it has a gradient",
}
PARALLEL_AXIS_PIXELS = 78
"""The width that each axis of the parallel coordinates needs for its labels."""


def report_sections(
    preset: Preset,
    trials: Sequence[FrozenTrial],
    directory: Path,
    wording: Wording = as_python,
    stopped: dict[str, Any] | None = None,
) -> list[Section]:
    """All sections of the page.

    `directory` holds the study's results; `wording` words the commands that the page advises;
    `stopped` is the study's user attribute `search.algorithms.STOPPED`, if it has been stopped
    early.
    """
    table = trial_table(trials)
    if table.empty:
        return [Section("Answer", "No trial has ended yet; search on and draw the report again.")]
    summary, safe = summarize(preset, trials, wording, stopped), escaped(table)
    closing = closing_advice(directory, summary.best, wording)
    raced = summary.winner if summary.winner and summary.winner.standing else None
    return [
        _answer_section(preset, summary, table, directory, closing),
        *evaluation_section(directory, summary),
        *([pareto_section(raced)] if raced and raced.objective else []),
        *([race_section(raced)] if raced else []),
        _history_section(trials, safe, summary.best),
        _hyperparameters_section(trials, safe),
        _stuck_section(summary, table, safe, _is_log(trials)),
        runs_section(trials, raced) if raced else _best_section(trials),
    ]


def _answer_section(
    preset: Preset, summary: StudySummary, table: pd.DataFrame, directory: Path, closing: list[str]
) -> Section:
    tiles, tables = [], []
    if summary.winner is not None and summary.best is not None:
        tiles = [
            *best_tiles(summary.winner),
            *_expected_tile(summary),
            *test_accuracy_tile(directory, summary.best),
        ]
        caption = best_caption(summary.winner)
        head = ("hyperparameter", "value", "searched")
        tables = [Table(head, _setting_rows(preset, summary.best), caption=caption)]
    workers = table["worker"].nunique()
    by = f", {workers} processes" if workers > 1 else ""
    tiles.append(
        Tile(duration_in_words(summary.wall_seconds), "time spent", f"on {len(table):,} trials{by}")
    )
    tiles += [
        _time_saved_tile(name, saved) for name, saved in summary.time_saved.items() if saved.trials
    ]
    note = (
        "Time saved is training time, estimated: the steps that a trial had left, times the median "
        "time of a step in the study's own completed and pruned trials of the same network."
    )
    if summary.selection_bias is not None:
        note += (
            " What choosing the best adds is estimated by drawing each completed trial's accuracy "
            "anew with the binomial variance of the validation images, independently between "
            "trials, and comparing the best of each draw with its own figure. Trials share the "
            "images, so this overstates the images' part; that the winner's seed was lucky is not "
            "in it."
        )
    points = [*summary.advice, *closing]
    return Section(
        "Answer", tiles=tiles, tables=tables, heading="What next", points=points, note=note
    )


def _expected_tile(summary: StudySummary) -> list[Tile]:
    """The best accuracy less the estimated selection bias; no tile if that is not known."""
    if summary.selection_bias is None or summary.best is None or summary.best.value is None:
        return []
    mean, high = (
        max(value, 0.0) for value in (summary.selection_bias.mean, summary.selection_bias.high)
    )
    bias = f"about {mean:.4f}" if mean >= 0.0001 else "less than 0.0001"
    chosen = summary.selection_bias
    note = (
        f"{bias} (up to {high:.4f}), the best of {chosen.trials} completed trials on "
        f"{chosen.images:,} images"
    )
    return [Tile(f"{summary.best.value - mean:.4f}", "less what choosing it adds", note)]


def _setting_rows(preset: Preset, best: FrozenTrial) -> list[list[str]]:
    """The table of settings: hyperparameters with their ranges, then what the preset fixes."""
    space = preset.space.dimensions()
    rows = [
        [name, shown(value), _range_in_words(space.get(name))]
        for name, value in best.params.items()
    ]
    model = ModelConfig(**{"architecture": "cnn", **preset.model})
    fixed = {
        "architecture": model.architecture,
        **preset.model,
        "epochs": preset.epochs,
        "batch_size": TrainConfig(**preset.train).batch_size,
        **preset.train,
    }
    rows += [
        [name, _as_written(value), "fixed by the preset"]
        for name, value in fixed.items()
        if name not in best.params
    ]
    if preset.data.limit is not None:
        rows.append(["training images", f"{preset.data.limit:,}", "fixed by the preset"])
    return rows


def _as_written(value: object) -> str:
    """A value that a preset fixes: a list as it is shown everywhere, a number with all digits."""
    return shown(value) if isinstance(value, list | tuple) else str(value)


def _range_in_words(dimension: Dimension | None) -> str:
    if dimension is None:
        return ""
    if dimension.choices is not None:
        return ", ".join(map(shown, dimension.choices))
    return f"{dimension.low:g} to {dimension.high:g}{', by logarithm' if dimension.log else ''}"


def _time_saved_tile(name: str, saved: TimeSaved) -> Tile:
    what = {"stuck": "stopping stuck runs", "pruned": "pruning", "diverged": "stopping divergence"}
    plural = "trial" if saved.trials == 1 else "trials"
    note = f"{saved.trials:,} {plural}; estimated"
    return Tile(duration_in_words(saved.seconds), f"saved by {what[name]}", note)


def _history_section(
    trials: Sequence[FrozenTrial], safe: pd.DataFrame, best: FrozenTrial | None
) -> Section:
    drawn = [
        _history_figure(safe),
        Figure(
            "Training curves",
            history.draw_curves(history.curves_data(trials, best.number if best else None)),
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


def _history_figure(safe: pd.DataFrame) -> Figure:
    if "budget" in safe.columns:
        return Figure(
            "Optimisation history",
            budgets.draw_budget_history(budgets.budget_history_data(safe)),
            "Each run's accuracy after its last epoch, by its budget: a dot tries a new "
            "configuration, a triangle trains a promoted one for longer, a star is a seed of the "
            "race. Runs that did not complete are marked at the bottom.",
        )
    return Figure(
        "Optimisation history",
        history.draw_history(history.history_data(safe)),
        "Each trial's accuracy after its last epoch; the line is the best that completed.",
    )


def _hyperparameters_section(trials: Sequence[FrozenTrial], table: pd.DataFrame) -> Section:
    """`table` is escaped. Of a search in budgets the first run of each configuration is shown."""
    compared = first_runs(ended_trials(trials))
    safe = table[table["trial"].isin([trial.number for trial in compared])]
    distributions: dict[str, BaseDistribution] = {
        n: d for t in trials for n, d in t.distributions.items()
    }
    drawn = [
        Figure(
            name,
            slices.draw_slice(slices.slice_data(safe, column, distributions[name])),
            width="part",
        )
        for name, column in zip(parameters(trials), hyperparameters(safe), strict=True)
    ]
    copy = optuna_plots.escaped_copy(compared)
    shares = optuna_plots.importances_data(copy)
    surface = slices.surface_data(safe, _is_log(trials))
    summaries = [
        (
            "Importances",
            None if shares is None else optuna_plots.draw_importances(shares),
            "How much of the differences between completed trials each hyperparameter explains.",
            "half",
        ),
        (
            "Empirical distribution",
            optuna_plots.draw_edf(copy),
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
            optuna_plots.draw_parallel(copy),
            f"A line a completed trial, the best {optuna_plots.PARALLEL_TRIALS} at most; the "
            f"stronger, the "
            "better.",
            "whole",
        ),
    ]
    min_pixels = PARALLEL_AXIS_PIXELS * (2 + len(distributions))
    drawn += [
        Figure(title, figure, text, width, min_pixels if title.startswith("Parallel") else 0)
        for title, figure, text, width in summaries
        if figure is not None
    ]
    missing = [title.lower() for title, figure, *_ in summaries if figure is None]
    which = "Each trial's accuracy" if len(safe) == len(table) else first_runs_in_words(compared)
    lead = (
        f"{which} after its last epoch ({MARKS_EXPLAINED}); below, where there were "
        f"any, the share of trials that got stuck or diverged."
    )
    note = f"Too few completed trials for: {', '.join(missing)}." if missing else ""
    return Section("Hyperparameters", lead, figures=drawn, note=note)


def _is_log(trials: Sequence[FrozenTrial]) -> bool:
    """Is the learning rate searched on a logarithmic scale?"""
    rate_distributions = (t.distributions.get("learning_rate") for t in trials)
    return any(getattr(distribution, "log", False) for distribution in rate_distributions)


def _stuck_section(
    summary: StudySummary, table: pd.DataFrame, safe: pd.DataFrame, log: bool
) -> Section:
    stuck = table[table["ending"] == "stuck"]
    if stuck.empty:
        return Section("Stuck runs", "No trial got stuck.")
    names = hyperparameters(table)
    rows = [
        [
            str(row["trial"]),
            ", ".join(f"{n} {shown(row[n])}" for n in names if not pd.isna(row[n])),
            _or_dash(row["kind"]),
            _or_dash(row["layer"]),
            f"{_or_dash(row['since_epoch'], '.0f')} / {_or_dash(row['since_step'], '.0f')}",
            f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}",
            _or_dash(row["message"]),
        ]
        for row, seconds in zip(
            stuck.to_dict("records"), summary.time_saved["stuck"].each, strict=True
        )
    ]
    head = ("trial", "configuration", "kind", "layer", "epoch / step", "s saved", "explanation")
    panels = slices.stuck_map_data(safe)
    kinds = [kind for kind in DIAGNOSIS_KINDS if (stuck["kind"] == kind).any()]
    return Section(
        "Stuck runs",
        f"{len(stuck)} of {len(table)} trials could not learn any more and were stopped. "
        f"{_proof_sentence(stuck)}{''.join(f' `{k}`: {DIAGNOSIS_KINDS[k]}.' for k in kinds)}",
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


def _or_dash(value: Any, form: str = "") -> str:
    return "-" if pd.isna(value) else f"{value:{form}}"


def _proof_sentence(stuck: pd.DataFrame) -> str:
    """A sentence on how many of the stuck trials are proved to be stuck."""
    proved = int(stuck["certain"].eq(True).sum())
    unproved = int(stuck["certain"].eq(False).sum())
    unknown = len(stuck) - proved - unproved
    might = "dropout or momentum might in principle have revived"
    if not unproved and not unknown:
        return "That is proved of each of them."
    if not proved and not unknown:
        return f"It is not proved of them: {might} them."
    sentence = f"Of {proved} that is proved"
    sentence += f"; {might} the other {unproved}" if unproved and not unknown else ""
    sentence += f"; {might} another {unproved}" if unproved and unknown else ""
    sentence += f"; of {unknown} no diagnosis was recorded" if unknown else ""
    return f"{sentence}."


def _best_section(trials: Sequence[FrozenTrial]) -> Section:
    best = best_trials(trials, 10)
    names = parameters(best)
    rows = [
        [str(t.number), f"{t.value:.4f}", *(shown(t.params.get(name, "")) for name in names)]
        for t in best
    ]
    if not rows:
        return Section("Best trials", "No trial has completed.")
    numbers = [n for n, name in enumerate(names, 2) if _is_number(best, name)]
    return Section(
        "Best trials",
        tables=[Table(("trial", "accuracy", *names), rows, numbers=(0, 1, *numbers))],
        note="All trials are in trials.csv and trials.parquet beside this page, one row a trial.",
    )


def _is_number(trials: Sequence[FrozenTrial], name: str) -> bool:
    values = [trial.params[name] for trial in trials if name in trial.params]
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
