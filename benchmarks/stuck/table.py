"""The tables of `python -m benchmarks.stuck`."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from functools import partial

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.stuck import rules
from benchmarks.stuck.judging import (
    Judged,
    Stop,
    exploded_epoch,
    ours,
    ours_after,
    proportion,
)
from benchmarks.stuck.sampling import IMAGES
from fmnist_model.diagnosis.diagnose import ZERO_GRAD_IMAGES
from fmnist_model.training.loss_check import EXPLODED_EPOCHS

CHOSEN = (ZERO_GRAD_IMAGES, IMAGES)
"""What `fmnist_model.diagnosis.diagnose.is_enough` asks for, with so many training images."""

Stopped = list[float | None]
"""Of each run, the share of its epochs or steps after which a rule stops it; None where not."""


def print_tables(console: Console, runs: Sequence[Judged]) -> None:
    """Print what became of the runs, how our detector did on them, and how others would have."""
    random = [judged for judged in runs if judged.run.network != "paper"]
    fates = Counter(judged.fate for judged in random)
    console.print(
        f"{len(random)} random runs: "
        + ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
        + f"; {sum(judged.seen for judged in random)} of them were there to choose thresholds on"
    )
    console.print(_policies([judged for judged in random if judged.seen], "seen"))
    held_out = [judged for judged in random if not judged.seen]
    console.print(_policies(held_out, "held out"))
    console.print(_kinds(held_out, "held out"))
    console.print(_kinds(random, "all random runs"))
    console.print(_costs({"random": random, "the paper's": [j for j in runs if j not in random]}))
    console.print(_explosions(random))
    console.print(_peers(random))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _policies(runs: Sequence[Judged], which: str) -> Table:
    """How many images without a gradient to ask for before an unproved stop; chosen on the seen
    runs."""
    table = _table(
        f"Deaths that are not certain ({which}, n = {len(runs)}): images in a row without a "
        "gradient that an output, a hidden layer needs",
        "output, hidden layer",
        "recall on dead runs",
        "stopped, but learned",
        "stopped, stayed at chance, but moved",
        "median share of a run",
    )
    for output, hidden in ((1, 1), (ZERO_GRAD_IMAGES, ZERO_GRAD_IMAGES), CHOSEN, (IMAGES, IMAGES)):
        stops = [ours_after(judged, output, hidden) for judged in runs]
        pairs = list(zip(runs, stops, strict=True))
        shares = [stop.share for judged, stop in pairs if stop and judged.fate == "dead"]
        table.add_row(
            f"{output:,}, {hidden:,}{' (chosen)' * ((output, hidden) == CHOSEN)}",
            proportion(stop is not None for judged, stop in pairs if judged.fate == "dead"),
            proportion(stop is not None for judged, stop in pairs if judged.fate == "learned"),
            str(sum(stop is not None for judged, stop in pairs if judged.fate == "idle")),
            f"{statistics.median(shares):.3f}" if shares else "",
        )
    return table


def _kinds(runs: Sequence[Judged], which: str) -> Table:
    table = _table(
        f"Our detector ({which}, n = {len(runs)})",
        "",
        "dead runs that it stops",
        "learners that it stops (false kills)",
    )
    stops = [ours(judged) for judged in runs]
    pairs = list(zip(runs, stops, strict=True))
    for kind, output in (("dead_output", "relu"), ("dead_layer", "softmax")):
        of_kind = [(j, s) for j, s in pairs if j.run.model.output_activation == output]
        table.add_row(
            f"{kind} ({output} output)",
            proportion(s is not None for j, s in of_kind if j.fate == "dead"),
            proportion(s is not None for j, s in of_kind if j.fate == "learned"),
        )
    for name, certain in (("certain", True), ("not certain", False)):
        table.add_row(
            name,
            proportion(
                s is not None and s.certain == certain for j, s in pairs if j.fate == "dead"
            ),
            proportion(
                s is not None and s.certain == certain for j, s in pairs if j.fate == "learned"
            ),
        )
    return table


def _costs(groups: dict[str, list[Judged]]) -> Table:
    table = _table(
        "What a dead run costs until it is stopped: median (90 % are below)",
        "runs",
        "n",
        "steps since its death",
        "seconds since its death",
        "share of a full run's steps",
        "share of its time",
    )
    for name, runs in groups.items():
        stops = [stop for j in runs if j.fate == "dead" and (stop := ours(j))]
        if stops:
            table.add_row(
                name,
                str(len(stops)),
                _quantiles([stop.steps for stop in stops], ".0f"),
                _quantiles([stop.seconds for stop in stops], ".1f"),
                _quantiles([stop.share for stop in stops], ".3f"),
                _quantiles([stop.time_share for stop in stops], ".3f"),
            )
    return table


def _quantiles(values: Sequence[float], form: str) -> str:
    ordered = sorted(values)
    return f"{statistics.median(ordered):{form}} ({ordered[int(0.9 * (len(ordered) - 1))]:{form}})"


def _explosions(runs: Sequence[Judged]) -> Table:
    table = _table(
        "Finite explosions: epochs in a row that end with an absurd loss",
        "in a row",
        "exploded runs that it stops",
        "learners that it stops (false kills)",
    )
    for in_a_row in (1, 2, 3):
        stopped = [(j, exploded_epoch(j, in_a_row) is not None) for j in runs]
        table.add_row(
            f"{in_a_row}{' (chosen)' * (in_a_row == EXPLODED_EPOCHS)}",
            proportion(s for j, s in stopped if j.fate == "exploded"),
            proportion(s for j, s in stopped if j.fate == "learned"),
        )
    return table


def _peers(runs: Sequence[Judged]) -> Table:
    """Ours and other rules on the same runs, without the non-finite ones, which everyone sees."""
    finite = [judged for judged in runs if judged.fate != "non_finite"]
    table = _table(
        f"Comparison with other rules (n = {len(finite)}, runs that stayed finite)",
        "rule",
        "dead runs that it stops",
        "learners that it stops",
        "share of the dead runs' time that it saves",
    )
    for name, stopped in _contestants(finite).items():
        pairs = list(zip(finite, stopped, strict=True))
        dead = [share for judged, share in pairs if judged.fate == "dead"]
        saved = [1 - share if share is not None else 0.0 for share in dead]
        table.add_row(
            name,
            proportion(share is not None for share in dead),
            proportion(share is not None for judged, share in pairs if judged.fate == "learned"),
            f"{statistics.mean(saved):.3f}",
        )
    return table


def _contestants(runs: Sequence[Judged]) -> dict[str, Stopped]:
    records = [judged.record for judged in runs]
    epochs = max(judged.run.train.epochs for judged in runs)
    found: dict[str, Stopped] = {"ours": [_share(ours(judged)) for judged in runs]}
    published: dict[str, rules.Rule] = {
        "AUTOTRAINER, all rules": rules.autotrainer,
        "AUTOTRAINER, dying ReLU": partial(rules.autotrainer, dying_relu_alone=True),
        "BTTackler, all rules": rules.bttackler,
        "BTTackler, dying ReLU": partial(rules.bttackler, dying_relu_alone=True),
    }
    stops = {name: [rule(record) for record in records] for name, rule in published.items()}
    stops |= {name: rules.pruned(records, pruner) for name, pruner in rules.pruners(epochs).items()}
    for name, ends in stops.items():
        found[name] = [None if end is None else end / epochs for end in ends]
    return found


def _share(stop: Stop | None) -> float | None:
    return stop.share if stop is not None else None
