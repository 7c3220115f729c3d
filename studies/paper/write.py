"""Writes the page on the paper's comparison: its figures drawn anew, its claims tested."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from fmnist_model.evaluation import openings
from fmnist_model.utils import Remedy, UserError
from search.execution import COMPARISON_KEY, PairedComparison, read_test_scores, run_of
from search.storage import open_read_only, storage_errors_explained
from search.study import TrialRecord
from studies.page import write_page, write_static_images
from studies.paper.arms import COMPARISON_NAME
from studies.paper.sections import PaperRuns, paper_sections
from studies.paper.tables import curve_table, run_table
from studies.report import Wording, as_python

Say = Callable[[str], None]


def write_paper(
    comparison: PairedComparison,
    url: str,
    say: Say,
    copies: bool = True,
    wording: Wording = as_python,
) -> Path:
    """Write paper.html and its figures from the runs so far; the database is only read.

    Args:
        comparison: The paper's comparison.
        url: The URL of the database.
        say: Called with each message.
        copies: Whether to write static copies of the figures, too.
        wording: Words the command that trains the missing runs.

    Returns:
        The path of the page.

    Raises:
        UserError: The comparison has no runs yet.
    """
    with storage_errors_explained(url):
        sound, leaky = _trials(url, COMPARISON_NAME), _trials(url, f"{COMPARISON_NAME}-leaky")
    if not sound:
        raise UserError(f"study {COMPARISON_NAME!r} has no run yet", Remedy.TRAIN_ARMS)
    paper_runs = PaperRuns(
        curve_table(sound, comparison.epochs),
        curve_table(leaky, comparison.epochs),
        run_table(sound, read_test_scores(comparison)),
        openings(comparison.directory),
    )
    directory = comparison.paths.results / "paper"
    path = directory / "paper.html"
    sections = paper_sections(paper_runs, wording)
    write_page(path, "The paper's comparison, done again", _subtitle(sound, comparison), sections)
    if copies:
        drawn = [figure for section in sections for figure in section.figures]
        write_static_images(drawn, directory / "paper-figures", say)
    return path


def _trials(url: str, name: str) -> list[FrozenTrial]:
    storage = open_read_only(url)
    if name not in optuna.get_all_study_names(storage):
        return []
    study = optuna.load_study(study_name=name, storage=storage)
    trials = study.get_trials(deepcopy=False) if COMPARISON_KEY in study.user_attrs else []
    return [trial for trial in trials if run_of(trial) is not None]


def _subtitle(trials: list[FrozenTrial], comparison: PairedComparison) -> str:
    records = [TrialRecord.of(trial) for trial in trials]
    devices = dict.fromkeys(f"{r.device}, {r.precision}" for r in records if r.device)
    seconds = sum(record.seconds_trained for record in records)
    text = (
        f"{len(trials)} runs of {comparison.epochs} epochs in batches of {comparison.batch_size}, "
        f"{seconds / 3600:.1f} hours of training on {'; '.join(devices)}. "
        f"Drawn {datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')}."
    )
    if comparison.limit is not None:
        text += f" On {comparison.limit:,} training images only: to try it out, not to be believed."
    return text
