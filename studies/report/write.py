"""Writes the report of a study: a page, static copies of its figures, and its trials as tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import optuna
import pandas as pd
from optuna.study import Study

from fmnist_model.utils import atomic_path
from search.algorithms import STOPPED
from search.generations import WarmStart
from search.presets import parse_preset
from search.storage import open_read_only, storage_errors_explained
from search.study import TrialCounts, count_trials, load_study
from studies.figures import trial_table
from studies.page import write_page, write_static_images
from studies.report.commands import Wording, as_python
from studies.report.sections import report_sections

Say = Callable[[str], None]


class Written(NamedTuple):
    """The files of a report; `figures` is None if there are no static copies of the figures."""

    page: Path
    csv: Path
    parquet: Path
    figures: Path | None


def write_report(
    name: str,
    url: str,
    results: Path,
    say: Say,
    copies: bool = True,
    wording: Wording = as_python,
) -> Written:
    """Write report.html, figures/, trials.csv and trials.parquet of a study to `results`/`name`.

    The database is only read.

    Args:
        name: The study's name.
        url: Of the database that holds it.
        results: The folder of results, in which each study has its own.
        say: Is called with a line about each thing that takes time or cannot be done.
        copies: Also draw the figures one by one, if there is a browser that can.
        wording: How the commands read that the page suggests.

    Raises:
        UserError: There is no such database or study.

    In a folder in which a search of the preset `paper` has been run:

    >>> from pathlib import Path
    >>> from studies.report import write_report
    >>> url = "sqlite:///studies/results/studies.db"
    >>> written = write_report("paper", url, Path("reports"), print, copies=False)
    drawing the figures of 5 trials
    >>> sorted(file.name for file in Path("reports/paper").iterdir())
    ['report.html', 'trials.csv', 'trials.parquet']
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with storage_errors_explained(url):
        study = load_study(open_read_only(url), url, name)
        return draw_report(study, results, say, copies, wording)


def draw_report(
    study: Study, results: Path, say: Say, copies: bool = True, wording: Wording = as_python
) -> Written:
    """Do what `write_report` does for a study that is already open."""
    name, trials = study.study_name, study.get_trials(deepcopy=False)
    preset = parse_preset(study.user_attrs["preset"], f"study {name}")
    directory = results / name
    table = trial_table(trials)
    csv, parquet = write_tables(table, directory)
    say(f"drawing the figures of {len(table):,} trials")
    stopped = study.user_attrs.get(STOPPED)
    sections = report_sections(preset, trials, directory, wording, stopped)
    page = directory / "report.html"
    write_page(
        page, f"Search report: {name}", _subtitle(study, count_trials(trials), table), sections
    )
    drawn = [figure for section in sections for figure in section.figures]
    folder = write_static_images(drawn, directory / "figures", say) if copies else None
    return Written(page, csv, parquet, folder)


def write_tables(table: pd.DataFrame, directory: Path) -> tuple[Path, Path]:
    """Write the table of trials as trials.csv and trials.parquet; return the two paths."""
    csv, parquet = directory / "trials.csv", directory / "trials.parquet"
    with atomic_path(csv) as scratch:
        table.to_csv(scratch, index=False)
    with atomic_path(parquet) as scratch:
        table.apply(_with_one_type).to_parquet(scratch, index=False)
    return csv, parquet


def _with_one_type(column: pd.Series) -> pd.Series:
    """The column, converted to strings if its values are of several types.

    Parquet does not accept these; choices of 16 or (32, 64) dense units are an example.
    """
    types = set(column.dropna().map(type))
    return column.map(str, na_action="ignore") if len(types) > 1 else column


def _subtitle(study: Study, counts: TrialCounts, table: pd.DataFrame) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    running = f", {counts.running} running" if counts.running else ""
    pairs = table[["device", "precision"]].dropna().drop_duplicates()
    devices = "; ".join(
        f"{device}, {precision}" for device, precision in pairs.itertuples(index=False)
    )
    warm_start = WarmStart.of(study)
    begun = f"It was {warm_start.in_words()}. " if warm_start is not None else ""
    return (
        f"{counts.finished} finished trials: {counts.completed} completed, {counts.pruned} pruned, "
        f"{counts.stuck} stuck, {counts.diverged} diverged; {counts.failed} failed{running}. "
        f"Seed {study.user_attrs.get('seed')}. {begun}{f'On {devices}. ' if devices else ''}"
        f"Drawn {now}."
    )
