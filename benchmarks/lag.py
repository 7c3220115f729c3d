"""The cost of a lag in the accuracy that is found: python -m benchmarks.lag

Training is replaced by the curve of a stored run (standins/stored.py), without sleeping. With lag
L, trial n is sampled and pruned with the knowledge of trials 0 to n - L alone, so one process that
goes through the trials in order does exactly what L workers would do. Every lag is tried with the
same seeds, so that differences are paired. Prints, as mean and 95 % interval over the seeds, the
best final validation accuracy, how much it is below that without a lag, and how many epochs were
trained.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import optuna
import typer
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import t as student

from benchmarks.standins.stored import PRESET, Stored
from fmnist_model.training.engine_protocol import SequentialEngine
from fmnist_model.training.run_counts import EpochMetrics
from fmnist_model.utils.cli import new_app, run
from search.algorithms.pruners import make_pruner
from search.algorithms.samplers import make_sampler, trial_seeds
from search.presets.files import parse_preset
from search.presets.preset import Preset
from search.presets.search_space import configurations, suggest
from search.storage.optuna_internals import storage_of, study_id
from search.study.trial_record import TrialRecord
from search.study.trials import best_trials

app = new_app("Measure what a lag costs in the accuracy that is found.")


class Found(NamedTuple):
    """The outcome of a search: its best value, the best of its first half of trials, its epochs."""

    best: float
    by_half: float
    epochs: int


def plain(preset: Preset, seed: int, trials: int, engine: SequentialEngine) -> Study:
    """A study in memory with `trials` trials, one after the other, each sampled with the lag."""
    study = optuna.create_study(direction="maximize", pruner=make_pruner(preset))
    for place in range(trials):
        _try(study, preset, seed, place, engine)
    return study


def found(study: Study) -> Found:
    """The outcome of a search."""
    trials = study.get_trials(deepcopy=False)
    epochs = sum(len(trial.intermediate_values) for trial in trials)
    return Found(_best(trials), _best(trials[: len(trials) // 2]), epochs)


def _best(trials: Sequence[FrozenTrial]) -> float:
    return next((trial.value or 0.0 for trial in best_trials(trials, 1)), 0.0)


def _try(study: Study, preset: Preset, seed: int, place: int, engine: SequentialEngine) -> None:
    queued = create_trial(
        state=TrialState.RUNNING, user_attrs=dict(TrialRecord.of_claim(place).attributes)
    )
    study.sampler = make_sampler(preset, seed, place)
    trial = Trial(study, storage_of(study).create_new_trial(study_id(study), queued))
    suggest(trial, preset)
    model, train = configurations(preset, trial.params, trial_seeds(seed, place)[1])

    def report(metrics: EpochMetrics) -> bool:
        trial.report(metrics.val_accuracy or 0.0, metrics.epoch)
        return trial.should_prune()

    result = engine.run(model, train, report)
    completed = result.stop_reason == "completed"
    state = TrialState.COMPLETE if completed else TrialState.PRUNED
    study.tell(trial, result.value if completed else None, state)


def interval(values: Sequence[float]) -> str:
    """Mean and 95 % interval of the values, by Student's t, as text."""
    array = np.asarray(values, float)
    half = student.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return f"{array.mean():.4f} ± {half:.4f}"


@app.command()
def main(
    lags: Annotated[str, typer.Option(help="Lags, with commas; 0 is none.")] = "0,4,8,16",
    seeds: Annotated[int, typer.Option(help="Searches with each.")] = 100,
    trials: Annotated[int, typer.Option(help="Trials of each search.")] = 50,
    pruner: Annotated[str, typer.Option(help="The preset's pruner.")] = "successive_halving",
    results: Annotated[Path | None, typer.Option(help="Keep each search's figures here.")] = None,
) -> None:
    """Print the best value found, by lag."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    console = Console()
    by_lag: dict[int, list[Found]] = {int(lag): [] for lag in lags.split(",")}
    for seed in track(range(seeds), "searching", console=console):
        for lag in by_lag:
            by_lag[lag].append(found(plain(_preset(lag, pruner), seed, trials, Stored())))
        if results is not None:
            results.write_text(json.dumps(by_lag))
    title = f"{trials} trials, {pruner}, n = {seeds} seeds"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("lag", "best", "below the first row", "by half the trials", "epochs"):
        table.add_column(column, justify="right")
    first = next(iter(by_lag.values()))
    for lag, these in by_lag.items():
        less = [a.best - b.best for a, b in zip(first, these, strict=True)]
        epochs = np.mean([each.epochs for each in these])
        shown = [interval([each.best for each in these]), interval(less)]
        shown.append(interval([each.by_half for each in these]))
        table.add_row(str(lag or "none"), *shown, f"{epochs:.0f}")
    console.print(table)


def _preset(lag: int, pruner: str) -> Preset:
    tree = tomllib.loads(PRESET) | {"pruner": {"name": pruner}}
    return parse_preset(tree | ({"workers": {"lag": lag}} if lag else {}), "stored")


if __name__ == "__main__":
    run(app)
