"""The sections of the page on the paper's comparison; the first one gives the verdicts."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from studies.page import Figure, Section, Table, Tile
from studies.paper import arm_figures, summary_figures
from studies.paper.arms import (
    ARMS,
    DROPOUT,
    PAPER_RATE,
    RELU,
    SIGMOID,
    SOFTMAX,
    SWEPT,
    arm_runs,
    sweep_runs,
)
from studies.paper.hypotheses import Hypothesis, Verdict, evaluate_hypotheses
from studies.report import Command, Wording, as_python

SIGNS: dict[Verdict, str] = {
    "holds": "✓ holds",
    "does not hold": "✗ does not hold",
    "not decided": "? not decided",
    "not run yet": "… not run yet",
}

MEASURE_NAMES = {
    f"{part}_{measure}": f"{words} {measure}"
    for part, words in (("test", "test"), ("val", "validation"))
    for measure in ("accuracy", "loss")
}


class PaperRuns(NamedTuple):
    """All runs so far.

    `curves` has a row for each epoch of a run, `leaky` the same for the runs of the leaky protocol,
    `runs` a row for each run; `openings` is how many times the test set has been opened for them.
    """

    curves: pd.DataFrame
    leaky: pd.DataFrame
    runs: pd.DataFrame
    openings: int

    @property
    def at_paper_rate(self) -> pd.DataFrame:
        """The runs at the paper's learning rate."""
        return self.runs[self.runs["learning_rate"] == PAPER_RATE]

    @property
    def tested(self) -> bool:
        """Have all runs at the paper's learning rate been evaluated on the test set?"""
        return bool(self.at_paper_rate["test_accuracy"].notna().all())


def paper_sections(paper_runs: PaperRuns, wording: Wording = as_python) -> list[Section]:
    """All sections of the page; `wording` words the command that trains more runs."""
    more = f"; {wording(Command('paper'))} goes on"
    return [
        _claims_section(evaluate_hypotheses(paper_runs.runs), paper_runs, more),
        _frozen_loss_section(paper_runs),
        _rates_section(paper_runs.runs),
        _figures_section(paper_runs),
        _runs_section(paper_runs.runs),
    ]


def _claims_section(claims: list[Hypothesis], paper_runs: PaperRuns, more: str) -> Section:
    rows = [
        [c.text, SIGNS[c.verdict], c.because + more * (c.verdict == "not run yet")] for c in claims
    ]
    details = [
        [c.better, c.worse, MEASURE_NAMES[c.measure], str(len(c.differences)), *c.text()]
        for claim in claims
        for c in claim.comparisons
        if c.differences
    ]
    head = ("first", "second", "measure", "seeds", "first less second (95 % interval)", "p")
    where = (
        "on the test set, opened once after all arms had been trained"
        if paper_runs.tested
        else "on the validation images; the test set has not been opened yet"
    )
    return Section(
        "The claims",
        lead=f"The arms are compared {where}, the learning rates on the validation images.",
        tiles=_stage_tiles(paper_runs, more),
        tables=[
            Table(("the paper's claim", "verdict", "why"), rows, cards=True),
            Table(head, details, (3, 4, 5), "The comparisons behind them", cards=True),
        ],
        note=(
            "Runs with the same seed are pairs. p is that of a two-sided sign-flip permutation "
            "test of the pairs' mean difference, corrected by Holm's method for all comparisons "
            "in the table that have one; below 0.05 a difference counts."
        ),
    )


def _stage_tiles(paper_runs: PaperRuns, more: str) -> list[Tile]:
    """The progress of each stage, if all arms are to have as many seeds as the most that any
    has."""
    seeds = range(
        paper_runs.at_paper_rate["seed"].max() + 1 if len(paper_runs.at_paper_rate) else 0
    )
    planned, swept = len(arm_runs(seeds)), len(sweep_runs(seeds))
    leaky = len(paper_runs.leaky[["arm", "seed"]].drop_duplicates())
    stages = (
        (f"all arms at a rate of {PAPER_RATE:g}", len(paper_runs.at_paper_rate), planned),
        ("the paper's own protocol, leaky", leaky, planned),
        ("two arms at other rates", len(paper_runs.runs) - len(paper_runs.at_paper_rate), swept),
    )
    tiles = [
        Tile(f"{done} of {wanted}", label, "runs" if done >= wanted else f"runs{more}")
        for label, done, wanted in stages
    ]
    times = {0: "not yet", 1: "once", 2: "twice"}.get(
        paper_runs.openings, f"{paper_runs.openings} times"
    )
    note = "to judge all arms" + (", then by leaky, which trains on it" if leaky else "")
    return [*tiles, Tile(times, "test set opened", note if paper_runs.openings else "")]


def _frozen_loss_section(paper_runs: PaperRuns) -> Section:
    data = summary_figures.levels_data(
        paper_runs.at_paper_rate, "test_loss" if paper_runs.tested else "val_loss"
    )
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
                summary_figures.draw_levels(data),
                f"A mark a run, by its loss on the {'test' if paper_runs.tested else 'validation'} "
                f"images; dotted lines are the closed form, k above them; triangles are the "
                f"paper's figures.",
            )
        ],
    )


def _figures_section(paper_runs: PaperRuns) -> Section:
    warning = (
        "The paper trained ten epochs on the training images and then ten on the test set, and "
        "called the second curve its test. `leaky` does the same: its curves and the paper's are "
        "of the second ten, on images that were trained on, and are only good for setting beside "
        "each other. Bands are 95 % intervals of the mean over the seeds."
    )
    drawn = [
        Figure(
            "Figure 1: the split", summary_figures.draw_split(), "Which images are used for what."
        ),
        *_arm_figures(2, SIGMOID, paper_runs),
        *_arm_figures(3, RELU, paper_runs),
        *_arm_figures(4, DROPOUT, paper_runs),
        *_arm_figures(5, SOFTMAX, paper_runs),
        *_final_figures(paper_runs),
        *(
            Figure(
                f"Figure 7: {title}",
                summary_figures.draw_activations(summary_figures.activations_data(), which),
                caption,
                "half",
            )
            for title, which, caption in (
                ("activation functions", "function", "What a unit makes of its input."),
                (
                    "their derivatives",
                    "derivative",
                    "Where one is zero, nothing is learned: all of ReLU's left half.",
                ),
            )
        ),
    ]
    return Section("The paper's figures", lead=warning, figures=drawn)


def _arm_figures(number: int, arm: str, paper_runs: PaperRuns) -> list[Figure]:
    curves = paper_runs.curves[
        (paper_runs.curves["arm"] == arm) & (paper_runs.curves["learning_rate"] == PAPER_RATE)
    ]
    leaky = paper_runs.leaky[paper_runs.leaky["arm"] == arm]
    if curves.empty:
        return []
    seeds = curves["seed"].nunique()
    frozen = arm in arm_figures.FROZEN
    comparison = "the paper printed no numbers" if arm == SIGMOID else "the paper's own in grey"
    drawn = []
    for measure in ("loss", "accuracy"):
        data = arm_figures.arm_data(arm, measure, curves, leaky)
        kind = "Each seed and the mean" if len(data.seeds) else "Mean"
        caption = f"{kind} of {seeds} seeds; {comparison}."
        figure = arm_figures.draw_arm(data, frozen)
        drawn.append(Figure(f"Figure {number}: {arm}, {measure}", figure, caption, "half"))
    return drawn


def _final_figures(paper_runs: PaperRuns) -> list[Figure]:
    part, words = ("test", "test") if paper_runs.tested else ("val", "validation")
    drawn = []
    for measure in ("accuracy", "loss"):
        points, means = summary_figures.final_data(paper_runs.at_paper_rate, f"{part}_{measure}")
        published = measure if paper_runs.tested else f"val_{measure}"
        drawn.append(
            Figure(
                f"Figure 6: the arms side by side, {measure}",
                summary_figures.draw_final(points, means, measure, published),
                f"On the {words} images: a dot a seed, and the mean with its 95 % interval. "
                f"Triangles are what the paper printed{', trained on them' * paper_runs.tested}.",
                "half",
            )
        )
    return drawn


def _rates_section(runs: pd.DataFrame) -> Section:
    drawn = []
    for arm in SWEPT:
        data = summary_figures.rates_data(runs, arm)
        if len(data.means):
            fewest, most = data.means["seeds"].min(), data.means["seeds"].max()
            seeds = f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
            caption = f"A dot a run, the mean with its 95 % interval over {seeds}."
            figure = summary_figures.draw_rates(data)
            drawn.append(Figure(f"Learning rates: {arm}", figure, caption, "half"))
    lead = "Two arms after ten epochs at each of the rates that the paper tried."
    return Section("Learning rates", lead, figures=drawn)


def _runs_section(runs: pd.DataFrame) -> Section:
    rows = []
    known = runs.assign(arm=pd.Categorical(runs["arm"], list(ARMS)))
    for (arm, rate), group in known.groupby(["arm", "learning_rate"], observed=True):
        endings = group["ending"].value_counts()
        rows.append(
            [
                str(arm),
                f"{rate:g}",
                str(len(group)),
                "; ".join(f"{count} {name}" for name, count in endings.items()),
                _mean_and_deviation(group["val_accuracy"]),
                _mean_and_deviation(group["test_accuracy"]),
                _mean_and_deviation(group["val_loss"]),
            ]
        )
    head = ("arm", "rate", "runs", "ended", "validation accuracy", "test accuracy")
    return Section(
        "All runs",
        tables=[Table((*head, "validation loss"), rows, numbers=(1, 2, 4, 5, 6), cards=True)],
        note=(
            "Mean and standard deviation over the seeds, after the last epoch. Stuck runs of an "
            "arm with dropout were let go on to their last epoch, for that they stay so is not "
            "proved."
        ),
    )


def _mean_and_deviation(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "-"
    return f"{known.mean():.4f} ± {known.std():.4f}" if len(known) > 1 else f"{known.mean():.4f}"
