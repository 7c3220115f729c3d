"""The paper's comparison as a page: its figures redone, its claims judged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from fmnist_model.evaluation import openings
from fmnist_model.utils import Remedy, UserError
from search.execution import COMPARISON_KEY, PairedComparison, read_judged, run_of
from search.storage import open_read_only, storage_errors_explained
from search.study import TrialRecord
from studies.page import write_page, write_static_images
from studies.paper.arms import COMPARISON_NAME
from studies.paper.sections import PaperRuns, paper_sections
from studies.paper.tables import curve_table, run_table
from studies.report import Wording, as_python

Say = Callable[[str], None]


def write_paper(
    question: PairedComparison,
    url: str,
    say: Say,
    copies: bool = True,
    wording: Wording = as_python,
) -> Path:
    """Write paper.html and its figures from what has been trained so far; the database is read.

    `wording` says how the command reads that trains what is left. Raises UserError where the
    comparison has not been begun.
    """
    with storage_errors_explained(url):
        honest, leaky = _trials(url, COMPARISON_NAME), _trials(url, f"{COMPARISON_NAME}-leaky")
    if not honest:
        raise UserError(f"study {COMPARISON_NAME!r} has no run yet", Remedy.TRAIN_ARMS)
    found = PaperRuns(
        curve_table(honest, question.epochs),
        curve_table(leaky, question.epochs),
        run_table(honest, read_judged(question)),
        openings(question.directory),
    )
    directory = question.paths.results / "paper"
    path = directory / "paper.html"
    sections = paper_sections(found, wording)
    write_page(path, "The paper's comparison, done again", _subtitle(honest, question), sections)
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


def _subtitle(trials: list[FrozenTrial], question: PairedComparison) -> str:
    records = [TrialRecord.of(trial) for trial in trials]
    devices = dict.fromkeys(f"{r.device}, {r.precision}" for r in records if r.device)
    seconds = sum(record.train_seconds or 0.0 for record in records)
    text = (
        f"{len(trials)} runs of {question.epochs} epochs in batches of {question.batch_size}, "
        f"{seconds / 3600:.1f} hours of training on {'; '.join(devices)}. "
        f"Drawn {datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')}."
    )
    if question.limit is not None:
        text += f" On {question.limit:,} training images only: to try it out, not to be believed."
    return text
