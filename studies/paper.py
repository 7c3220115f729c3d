"""The paper's comparison as a page: its figures redone, its claims judged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from fmnist_model.errors import UserError
from search.comparison import PROTOCOL, read_judged
from search.export import RESULTS
from search.storage import faults_explained, open_read_only
from search.trials import ending
from studies import paper_figures as drawing
from studies.arms import ARMS, DROPOUT, NAME, RATE, RELU, SIGMOID, SOFTMAX, comparison
from studies.claims import Claim, judge_claims
from studies.page import Figure, Section, Table, write_page
from studies.pictures import write_copies

Say = Callable[[str], None]
MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")


def write_paper(url: str, limit: int | None, say: Say, copies: bool = True) -> Path:
    """Write paper.html and its figures from what has been trained so far; the database is read.

    Raises UserError where the comparison has not been begun.
    """
    question = comparison(limit)
    with faults_explained(url):
        honest, leaky = _trials(url, NAME), _trials(url, f"{NAME}-leaky")
    if not honest:
        raise UserError(f"study {NAME!r} has no run yet; make paper trains them")
    curves, runs = curve_table(honest, question.epochs), run_table(honest, read_judged(question))
    sections = paper_sections(curves, curve_table(leaky, question.epochs), runs)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    subtitle = f"{len(runs)} runs of {question.epochs} epochs, batch {question.batch_size}. {now}."
    if limit is not None:
        subtitle += f" On {limit:,} training images only: to try it out, not to be believed."
    directory = RESULTS / "paper"
    path = directory / "paper.html"
    write_page(path, "The paper's comparison, done again", subtitle, sections)
    if copies:
        drawn = [figure for section in sections for figure in section.figures]
        write_copies(drawn, directory / "paper-figures", say)
    return path


def _trials(url: str, name: str) -> list[FrozenTrial]:
    storage = open_read_only(url)
    if name not in optuna.get_all_study_names(storage):
        return []
    study = optuna.load_study(study_name=name, storage=storage)
    return study.get_trials(deepcopy=False) if PROTOCOL in study.user_attrs else []


def curve_table(trials: list[FrozenTrial], epochs: int) -> pd.DataFrame:
    """A row an epoch of a run: arm, learning_rate, seed, epoch and the four measures.

    A run that was stopped because it is proved to be stuck keeps its figures to the last epoch,
    as it would have; its training loss is then the closed form's.
    """
    rows = [row for trial in trials for row in _epochs(trial, epochs)]
    return pd.DataFrame(rows, columns=["arm", "learning_rate", "seed", "epoch", *MEASURES])


def _epochs(trial: FrozenTrial, epochs: int) -> list[dict[str, Any]]:
    history, diagnosis = trial.user_attrs["history"], trial.user_attrs["diagnosis"]
    ran = len(history["loss"])
    rows = [
        {**trial.params, "epoch": epoch + 1, **{name: history[name][epoch] for name in MEASURES}}
        for epoch in range(ran)
    ]
    if ending(trial) == "stuck" and diagnosis["certain"]:
        frozen = {**rows[-1], "loss": diagnosis["explained_loss"]}
        rows += [{**frozen, "epoch": epoch} for epoch in range(ran + 1, epochs + 1)]
    return rows


def run_table(trials: list[FrozenTrial], judged: list[dict[str, Any]]) -> pd.DataFrame:
    """A row a run: its parameters, ending, diagnosis, last validation figures, and test figures."""
    rows = [
        {
            **trial.params,
            "ending": ending(trial),
            "kind": trial.user_attrs["diagnosis"]["kind"],
            "live_outputs": trial.user_attrs["diagnosis"].get("live_outputs"),
            "val_accuracy": trial.user_attrs["history"]["val_accuracy"][-1],
            "val_loss": trial.user_attrs["history"]["val_loss"][-1],
        }
        for trial in trials
    ]
    keys = ["arm", "learning_rate", "seed"]
    test = pd.DataFrame(judged, columns=[*keys, "loss", "accuracy"])
    test = test.rename(columns={"loss": "test_loss", "accuracy": "test_accuracy"})
    return pd.DataFrame(rows).merge(test, on=keys, how="left")


def paper_sections(curves: pd.DataFrame, leaky: pd.DataFrame, runs: pd.DataFrame) -> list[Section]:
    """All parts of the page."""
    here = runs[runs["learning_rate"] == RATE]
    tested = bool(here["test_accuracy"].notna().all())
    return [
        _claims_section(judge_claims(runs), tested),
        _levels_section(here, tested),
        _figures_section(curves[curves["learning_rate"] == RATE], leaky, runs, tested),
        _runs_section(runs),
    ]


def _claims_section(claims: list[Claim], tested: bool) -> Section:
    rows = [[claim.text, claim.verdict, claim.because] for claim in claims]
    details = [
        [
            f"{c.better} over {c.worse}",
            c.measure.replace("_", " "),
            str(len(c.differences)),
            *c.text(),
        ]
        for claim in claims
        for c in claim.comparisons
    ]
    head = ("comparison", "measure", "seeds", "difference (95 % interval)", "p")
    where = (
        "on the test set, opened once after all arms had been trained"
        if tested
        else "on the validation images; the test set has not been opened yet"
    )
    return Section(
        "The claims",
        lead=f"The arms are compared {where}, the learning rates on the validation images.",
        tables=[
            Table(("the paper's claim", "verdict", "why"), rows),
            Table(head, details, numbers=(2, 3, 4), caption="The comparisons behind them"),
        ],
        note=(
            "Runs with the same seed are pairs. p is that of a two-sided sign-flip permutation "
            "test of the pairs' mean difference, corrected by Holm's method for all comparisons "
            "in the table; below 0.05 a difference counts. For accuracy the difference is that of "
            "the first over the second; for loss it is how much greater that without dropout is."
        ),
    )


def _levels_section(here: pd.DataFrame, tested: bool) -> Section:
    measure = "test_loss" if tested else "val_loss"
    return Section(
        "Why figures 3 and 4 of the paper look as they do",
        lead=(
            "Once every ReLU output is zero or saturated for every image, all gradients are "
            "exactly zero and the loss is (1 - k/10) * 16.1181 + ln k, where k outputs are "
            "saturated. Which k it is, is the seed's doing. The paper's two losses are k = 4 and "
            "k = 8: dropout halved nothing, another run froze elsewhere."
        ),
        figures=[
            Figure(
                "Final losses of the arms with a ReLU output",
                drawing.draw_levels(here, measure),
                f"On the {'test' if tested else 'validation'} images; the dotted lines are the "
                f"closed form, with k above them, the triangles the paper's figures.",
            )
        ],
    )


def _figures_section(
    curves: pd.DataFrame, leaky: pd.DataFrame, runs: pd.DataFrame, tested: bool
) -> Section:
    here = runs[runs["learning_rate"] == RATE]
    part = "test" if tested else "val"
    words = "test" if tested else "validation"

    def of(arm: str, table: pd.DataFrame) -> pd.DataFrame:
        return table[table["arm"] == arm]

    def arm_figure(number: int, arm: str) -> Figure:
        columns = drawing.arm_columns(arm, of(arm, curves), of(arm, leaky))
        seeds = of(arm, curves)["seed"].nunique()
        return Figure(
            f"Figure {number}: {arm}",
            drawing.draw_bands(columns, from_zero=arm in (RELU, DROPOUT)),
            f"Mean and 95 % interval over {seeds} seeds; the paper's published numbers dashed.",
        )

    drawn = [
        Figure("Figure 1: the split", drawing.draw_split(), "Which images are used for what."),
        arm_figure(2, SIGMOID),
        arm_figure(3, RELU),
        arm_figure(4, DROPOUT),
        arm_figure(5, SOFTMAX),
        *(
            Figure(
                f"Each seed: {arm}",
                drawing.draw_seeds(of(arm, curves), arm),
                "The training loss of each seed, from which the mean above comes.",
                "half",
            )
            for arm in (RELU, DROPOUT)
            if len(of(arm, curves))
        ),
        Figure(
            "Figure 6: the arms side by side",
            drawing.draw_final(here, {f"{part}_accuracy": "accuracy", f"{part}_loss": "loss"}),
            f"On the {words} images: a dot a seed, and the mean with its 95 % interval.",
        ),
        Figure(
            "Learning rates",
            drawing.draw_rates(runs),
            "Validation accuracy after the last epoch, the mean with its 95 % interval.",
        ),
        Figure(
            "Figure 7: activation functions",
            drawing.draw_activations(),
            "Where a derivative is zero, nothing is learned: all of ReLU's left half.",
        ),
    ]
    warning = (
        "The paper trained ten epochs on the training images and then ten on the test set, and "
        "called the second curve its test. `leaky` does the same: those figures are of images "
        "that were trained on, and are only good for setting beside the paper's."
    )
    return Section("The paper's figures", lead=warning, figures=drawn)


def _runs_section(runs: pd.DataFrame) -> Section:
    rows = []
    for (arm, rate), own in runs.groupby(["arm", "learning_rate"], sort=False):
        endings = own["ending"].value_counts()
        rows.append(
            [
                str(arm),
                f"{rate:g}",
                str(len(own)),
                ", ".join(f"{count} {name}" for name, count in endings.items()),
                _spread(own["val_accuracy"]),
                _spread(own["test_accuracy"]),
                _spread(own["val_loss"]),
            ]
        )
    order = list(ARMS)
    rows.sort(key=lambda row: (order.index(row[0]), row[1]))
    head = ("arm", "rate", "runs", "ended", "validation accuracy", "test accuracy", "val. loss")
    return Section(
        "All runs",
        tables=[Table(head, rows, numbers=(1, 2, 4, 5, 6))],
        note="Mean and standard deviation over the seeds.",
    )


def _spread(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "-"
    return f"{known.mean():.4f} ± {known.std():.4f}" if len(known) > 1 else f"{known.mean():.4f}"
