"""End-to-end comparison with Optuna and KerasTuner: python -m benchmarks.search

All arms (`peers/arms.py`) get the same search space, network, split, epochs, number of
configurations and seeds. Each search is made in a process of its own, and the arms take turns. With
fewer images than 48,000 the batches are smaller in proportion, so that a run makes as many steps,
because what a network learns depends on the number of steps. The configuration that an arm has
found is trained anew with ten seeds, by one engine for all arms; each seed of a search has its own
ten, for one that is unlucky for every configuration would else count in all searches. `best` is
what an arm itself calls its best: the accuracy after the last epoch, for KerasTuner after the best
epoch. Searches that were made are kept; asking for more seeds continues from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from statistics import mean, median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.peers.arms import ARMS, retrained
from benchmarks.peers.question import Question
from benchmarks.tools.isolated import Isolated
from benchmarks.tools.record import RESULTS, load_rows, print_goal, save_rows, spread, table
from fmnist_model.config import TrainConfig
from fmnist_model.utils.cli import PATHS, new_app, run

OURS, PLAIN, *PEERS, TOP_FEW, OURS_BY_TWO = ARMS
LEVELS = (0.7, 0.75, 0.8, 0.82, 0.84, 0.86)
RETRAINED = 10
FULL = 48_000
TIMES_PLAIN, TIMES_BEST = 10, 3

app = new_app("Compare end-to-end searches with Optuna and KerasTuner.")
Row = dict[str, Any]


def available() -> list[str]:
    """The arms whose libraries are installed."""
    tuner = find_spec("keras_tuner") is not None
    return [arm for arm in ARMS if tuner or "KerasTuner" not in arm]


def measure(
    rows: list[Row], question: Question, arms: list[str], seeds: int, say: Callable[[str], None]
) -> Iterator[Row]:
    """Yield each arm's search with each seed that is not among `rows`, in turns."""
    done = {(row["arm"], row["seed"]) for row in rows}
    for seed in range(seeds):
        turn = seed % len(arms)
        for arm in [*arms[turn:], *arms[:turn]]:
            if (arm, seed) not in done:
                say(f"seed {seed}, {arm}")
                with Isolated() as process:
                    row = process.call(ARMS[arm], question, seed)
                with Isolated() as process:
                    again = process.call(retrained, question, row["params"], seeds_anew(seed))
                yield {"arm": arm, "seed": seed, **row, "retrained": again}


def seeds_anew(seed: int) -> range:
    """The seeds with which a configuration is trained anew that a search of this seed has found."""
    return range(RETRAINED * seed, RETRAINED * (seed + 1))


def of(rows: list[Row], arm: str) -> list[Row]:
    """An arm's searches, in the order of their seeds."""
    return sorted((row for row in rows if row["arm"] == arm), key=lambda row: row["seed"])


def pairs(rows: list[Row], arm: str, other: str) -> list[tuple[Row, Row]]:
    """The searches of two arms with the same seeds."""
    theirs = {row["seed"]: row for row in of(rows, other)}
    return [(row, theirs[row["seed"]]) for row in of(rows, arm) if row["seed"] in theirs]


def time_to(row: Row, accuracy: float) -> float | None:
    """Seconds until a search has seen this validation accuracy at the end of any epoch."""
    return next((seconds for seconds, best in row["curve"] if best >= accuracy), None)


def show(console: Console, rows: list[Row]) -> None:
    """Every arm's figures, the times to fixed accuracies, and the goals."""
    arms = [arm for arm in ARMS if of(rows, arm)]
    made = table("median (quartiles) over the seeds", "", "n", "s", "epochs", "stuck", "configs")
    for column in ("best", "trained anew"):
        made.add_column(column, justify="right")
    for arm in arms:
        mine = of(rows, arm)
        figures = [
            spread([row["seconds"] for row in mine], ".0f"),
            spread([float(row["epochs"]) for row in mine], ".0f"),
            spread([row["stuck_share"] for row in mine], ".0%"),
            spread([float(row["configurations"]) for row in mine], ".0f"),
            spread([row["best"] for row in mine], ".4f"),
            spread([mean(row["retrained"]) for row in mine], ".4f"),
        ]
        made.add_row(arm, str(len(mine)), *figures)
    console.print(made)
    made = table("seconds until an epoch ended with this validation accuracy: median", "")
    for level in LEVELS:
        made.add_column(f"{level:.2f}", justify="right")
    for arm in arms:
        made.add_row(arm, *(_reached(of(rows, arm), level) for level in LEVELS))
    console.print(made)
    _goals(console, rows)


def _reached(rows: list[Row], level: float) -> str:
    times = [seconds for row in rows if (seconds := time_to(row, level)) is not None]
    if not times:
        return "-"
    everyone = len(times) == len(rows)
    return f"{median(times):.0f}" + ("" if everyone else f" ({len(times)} of {len(rows)})")


def _goals(console: Console, rows: list[Row]) -> None:
    for mine in (OURS, OURS_BY_TWO):
        if of(rows, mine):
            console.print(f"{mine}:")
            _time_goals(console, rows, mine)
            for peer in [PLAIN, *PEERS]:
                _accuracy_goal(console, rows, mine, peer)


def _time_goals(console: Console, rows: list[Row], mine: str) -> None:
    slower = _times_slower(rows, mine, PLAIN)
    if slower:
        text = f"of {TIMES_PLAIN} times less than {PLAIN}"
        print_goal(console, text, spread(slower, ".1f"), median(slower) >= TIMES_PLAIN)
    rivals = {peer: ratios for peer in PEERS if (ratios := _times_slower(rows, mine, peer))}
    if rivals:
        best = min(rivals, key=lambda peer: median(rivals[peer]))
        text = f"of {TIMES_BEST} times less than the fastest of (c) to (f), {best}"
        found = rivals[best]
        print_goal(console, text, spread(found, ".1f"), median(found) >= TIMES_BEST)
    reached = [
        (time_to(a, b["curve"][-1][1]), time_to(b, b["curve"][-1][1]))
        for a, b in pairs(rows, mine, TOP_FEW)
    ]
    if reached:
        sooner = [a is not None and b is not None and a <= b for a, b in reached]
        text = f"of reaching the best of {TOP_FEW} no later than it does"
        print_goal(console, text, f"with {sum(sooner)} of {len(sooner)} seeds", all(sooner))


def _times_slower(rows: list[Row], mine: str, other: str) -> list[float]:
    return [b["seconds"] / a["seconds"] for a, b in pairs(rows, mine, other)]


def _accuracy_goal(console: Console, rows: list[Row], mine: str, peer: str) -> None:
    """Not worse beyond noise: the interval of the mean paired difference reaches zero."""
    from scipy.stats import t

    gains = [mean(a["retrained"]) - mean(b["retrained"]) for a, b in pairs(rows, mine, peer)]
    text = f"of an accuracy not below {peer} beyond noise"
    if not gains:
        return
    if len(gains) < 3:
        console.print(f"goal {text}: {spread(gains, '+.4f')}; a test needs three seeds")
        return
    middle, error = mean(gains), _standard_error(gains)
    width = float(t.ppf(0.975, len(gains) - 1)) * error
    measured = f"{middle:+.4f} (95 % interval {middle - width:+.4f} to {middle + width:+.4f})"
    print_goal(console, text, measured, middle + width >= 0)


def _standard_error(values: list[float]) -> float:
    from statistics import stdev

    return stdev(values) / math.sqrt(len(values))


@app.command()
def main(
    preset: Annotated[
        str, typer.Option(help="The search space; its pruner and sampler are ours.")
    ] = "paper",
    images: Annotated[int, typer.Option(min=500, max=FULL, help="Training images.")] = 12_000,
    trials: Annotated[int, typer.Option(min=2, help="Configurations that each arm tries.")] = 50,
    epochs: Annotated[int, typer.Option(min=2, help="Epochs of a run that is not stopped.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each arm.")] = 5,
    arms: Annotated[str, typer.Option(help="Letters of the arms that take part.")] = "abcdefgh",
) -> None:
    """Compare end-to-end searches with Optuna and KerasTuner."""
    from benchmarks.peers.figure import draw
    from search.presets.files import load_preset

    console = Console(width=130)
    usual = TrainConfig(**load_preset(preset, PATHS.presets).train).batch_size
    question = Question(preset, images, max(1, round(usual * images / FULL)), epochs, trials)
    question.data()  # fetched and decoded once, here
    chosen = [arm for arm in available() if arm[1] in arms]
    for arm in ARMS:
        if arm not in available() and arm[1] in arms:
            console.print(f"{arm} is left out: .venv/bin/pip install -e '.[bench]' adds KerasTuner")
    path = RESULTS / f"search-{preset}-{images}-{trials}-{epochs}.json"
    settings = question._asdict()
    rows = load_rows(path, settings)
    with Progress(console=console) as progress:
        task = progress.add_task("searches", total=seeds * len(chosen))
        progress.update(task, completed=sum(r["arm"] in chosen and r["seed"] < seeds for r in rows))
        for row in measure(rows.copy(), question, chosen, seeds, progress.console.print):
            rows.append(row)
            save_rows(path, settings, rows)
            progress.advance(task)
    show(console, rows)
    picture = draw(rows, path.with_suffix(".svg"), console.print)
    console.print(f"written: {path}" + (f", {picture}" if picture else ""))


if __name__ == "__main__":
    run(app)
