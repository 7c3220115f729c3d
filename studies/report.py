"""The report of a study: one page, static copies of its figures, and its trials as tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import optuna
import pandas as pd
from optuna.study import Study

from fmnist_model.files import whole
from search.export import RESULTS
from search.preset import Preset, parse_preset
from search.stopping import STOPPED
from search.storage import faults_explained, open_read_only
from search.study import load_study
from search.trials import Tally, best_trials, tally
from studies import figures
from studies.answer import Answer, Saved, answer
from studies.judgement import judgement_section
from studies.page import Figure, Section, Table, Tile, write_page
from studies.pictures import write_copies
from studies.table import escaped, parameters, trial_table

Say = Callable[[str], None]


class Written(NamedTuple):
    """What a report consists of; `figures` is None where no browser could draw the copies."""

    page: Path
    csv: Path
    parquet: Path
    figures: Path | None


def write_report(name: str, url: str, say: Say, copies: bool = True) -> Written:
    """Write report.html, figures/, trials.csv and trials.parquet of the study `name`.

    The database is only read. Raises UserError where there is no such database or study.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with faults_explained(url):
        return draw_report(load_study(open_read_only(url), url, name), say, copies)


def draw_report(study: Study, say: Say, copies: bool = True) -> Written:
    """`write_report` for a study that is open already."""
    name, trials = study.study_name, study.get_trials(deepcopy=False)
    preset = parse_preset(study.user_attrs["preset"], f"study {name}")
    directory = RESULTS / name
    table = trial_table(trials)
    csv, parquet = write_tables(table, directory)
    say(f"drawing the figures of {len(table):,} trials")
    sections = report_sections(study, preset, directory)
    page = directory / "report.html"
    write_page(page, f"Search report: {name}", _subtitle(study, tally(trials)), sections)
    drawn = [figure for section in sections for figure in section.figures]
    folder = write_copies(drawn, directory / "figures", say) if copies else None
    return Written(page, csv, parquet, folder)


def write_tables(table: pd.DataFrame, directory: Path) -> tuple[Path, Path]:
    """Write the trials as trials.csv and trials.parquet."""
    csv, parquet = directory / "trials.csv", directory / "trials.parquet"
    with whole(csv) as scratch:
        table.to_csv(scratch, index=False)
    with whole(parquet) as scratch:
        table.to_parquet(scratch, index=False)
    return csv, parquet


def _subtitle(study: Study, counts: Tally) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    running = f", {counts.running} running" if counts.running else ""
    return (
        f"{counts.finished} finished trials: {counts.completed} completed, {counts.pruned} pruned, "
        f"{counts.stuck} stuck, {counts.diverged} diverged; {counts.failed} failed{running}. "
        f"Seed {study.user_attrs.get('seed')}. Drawn {now}."
    )


def report_sections(study: Study, preset: Preset, directory: Path) -> list[Section]:
    """All parts of the page; those without anything to show are left out."""
    trials = study.get_trials(deepcopy=False)
    table = trial_table(trials)
    found = answer(preset, trials, study.user_attrs.get(STOPPED))
    if table.empty:
        return [Section("Answer", "No trial has ended yet; search on and draw the report again.")]
    return [
        _answer_section(found, table),
        *judgement_section(directory, found),
        _search_section(study, table),
        _axes_section(study, table),
        _stuck_section(found, table),
        _best_section(study),
    ]


def _answer_section(found: Answer, table: pd.DataFrame) -> Section:
    tiles = [Tile(_time(found.wall_seconds), "time spent", f"on {len(table)} trials")]
    tables = []
    if found.best is not None and found.best.value is not None:
        note = f"trial {found.best.number}, after its last epoch"
        tiles.insert(0, Tile(f"{found.best.value:.4f}", "best validation accuracy", note))
        rows = [[name, _short(value)] for name, value in found.best.params.items()]
        caption = f"The best configuration, trial {found.best.number}"
        tables = [Table(("hyperparameter", "value"), rows, caption=caption)]
    if found.optimism is not None:
        tiles.insert(
            1,
            Tile(
                f"{-found.optimism.mean:.4f}" if found.optimism.mean >= 0.0001 else "< 0.0001",
                "optimism of that figure, estimated",
                f"best of {found.optimism.trials} completed trials on "
                f"{found.optimism.images:,} images (up to {found.optimism.high:.4f})",
            ),
        )
    tiles += [_saving(name, saved) for name, saved in found.saved.items() if saved.trials]
    return Section(
        "Answer",
        tiles=tiles,
        points=found.advice,
        tables=tables,
        note=(
            "Time saved is estimated: the steps that a trial had left, times the median time of a "
            "step in the study's own completed and pruned trials of the same network. Optimism: "
            "each completed trial's accuracy is drawn anew with the binomial variance of the "
            "validation images, independently between trials, and the best of each draw is "
            "compared with its own figure; trials share the images, so this overstates the images' "
            "part, and that the winner's seed was lucky is not in it."
        ),
    )


def _saving(name: str, saved: Saved) -> Tile:
    what = {"stuck": "stopping stuck runs", "pruned": "pruning", "diverged": "stopping divergence"}
    plural = "trial" if saved.trials == 1 else "trials"
    return Tile(
        _time(saved.seconds), f"saved by {what[name]}", f"{saved.trials} {plural}, estimated"
    )


def _time(seconds: float) -> str:
    whole_seconds = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole_seconds.total_seconds(), 3600)
    if hours:
        return f"{hours:.0f} h {rest // 60:.0f} min"
    return f"{rest // 60:.0f} min {rest % 60:.0f} s" if rest >= 60 else f"{rest:.0f} s"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _search_section(study: Study, table: pd.DataFrame) -> Section:
    trials, safe = study.get_trials(deepcopy=False), escaped(table)
    drawn = [
        Figure(
            "Optimisation history",
            figures.draw_history(figures.history_data(safe)),
            "Each trial's accuracy after its last epoch; the line is the best that completed.",
        ),
        Figure(
            "Training curves",
            figures.draw_curves(figures.curves_data(trials)),
            "Each epoch's validation accuracy. Stuck trials end with a square, where they stopped.",
        ),
    ]
    timeline = figures.timeline_data(safe)
    if len(timeline.bars):
        drawn.append(
            Figure(
                "Timeline of the workers",
                figures.draw_timeline(timeline),
                "A row for each process that ran trials; gaps are pauses.",
            )
        )
    return Section("How the search went", figures=drawn)


def _axes_section(study: Study, table: pd.DataFrame) -> Section:
    trials, safe = study.get_trials(deepcopy=False), escaped(table)
    axes = {name: d for trial in trials for name, d in trial.distributions.items()}
    drawn = [
        Figure(
            name,
            figures.draw_slice(figures.slice_data(safe, column, axes[name])),
            "Accuracy along the axis; below, the share of stuck trials.",
            "part",
        )
        for name, column in zip(parameters(trials), figures.hyperparameters(safe), strict=True)
    ]
    sketch = figures.sketch(trials)
    more = {
        "Importances": (
            figures.draw_importances(sketch),
            "How much of the differences between completed trials each hyperparameter explains.",
        ),
        "Parallel coordinates": (
            figures.draw_parallel(sketch),
            f"A line a completed trial, the best {figures.PARALLEL} at most; greener is better.",
        ),
        "Contour of learning rate and dropout": (
            figures.draw_contour(sketch, ("learning_rate", "dropout")),
            "Accuracy of completed trials, interpolated between the points; every so many of them "
            f"where there are more than {figures.CONTOUR}.",
        ),
        "Empirical distribution": (
            figures.draw_edf(sketch),
            "How large a share of completed trials stays below an accuracy.",
        ),
    }
    drawn += [Figure(title, fig, text) for title, (fig, text) in more.items() if fig is not None]
    missing = [title.lower() for title, (fig, _) in more.items() if fig is None]
    note = f"Too few completed trials for: {', '.join(missing)}." if missing else ""
    return Section("Hyperparameters", figures=drawn, note=note)


def _stuck_section(found: Answer, table: pd.DataFrame) -> Section:
    stuck = table[table["ending"] == "stuck"]
    if stuck.empty:
        return Section("Stuck runs", "No trial got stuck.")
    proved = int(stuck["certain"].eq(True).sum())
    names = figures.hyperparameters(table)
    rows = [
        [
            str(row["trial"]),
            "  ".join(f"{n} {_short(row[n])}" for n in names if not pd.isna(row[n])),
            str(row["kind"]),
            str(row["layer"]),
            f"{row['since_epoch']:.0f} / {row['since_step']:.0f}",
            f"{seconds:.0f}",
            str(row["message"]),
        ]
        for row, seconds in zip(stuck.to_dict("records"), found.saved["stuck"].each, strict=True)
    ]
    head = ("trial", "configuration", "kind", "layer", "epoch / step", "s saved", "explanation")
    panels = figures.stuck_map_data(escaped(table))
    return Section(
        "Stuck runs",
        f"{len(stuck)} of {len(table)} trials could not learn any more and were stopped; of "
        f"{proved} that is proved, the others might in principle have come back.",
        tables=[Table(head, rows, numbers=(0, 4, 5))],
        figures=[
            Figure(
                f"Where: {panel.title}",
                figures.draw_panel(panel, table),
                f"{(panel.points['ending'] == 'stuck').sum()} of {len(panel.points)} stuck",
                "part",
            )
            for panel in panels
        ],
    )


def _best_section(study: Study) -> Section:
    trials = study.get_trials(deepcopy=False)
    best = best_trials(trials, 10)
    names = parameters(best)
    rows = [
        [str(t.number), f"{t.value:.4f}", *(_short(t.params.get(name, "")) for name in names)]
        for t in best
    ]
    if not rows:
        return Section("Best trials", "No trial has completed.")
    return Section(
        "Best trials",
        tables=[Table(("trial", "accuracy", *names), rows, numbers=(0, 1))],
        note="All trials are in trials.csv and trials.parquet beside this page, one row a trial.",
    )
