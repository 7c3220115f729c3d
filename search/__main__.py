"""python -m search run | status | export: the search's command line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fmnist_model.command_line import new_app, run
from search.defaults import DEFAULT_URL

if TYPE_CHECKING:
    from optuna.study import Study

app = new_app("Search hyperparameters, look at how a study stands, export its best configuration.")

StudyOption = Annotated[
    str, typer.Option("--study", help="A preset: a name in studies/, or a .toml file.")
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="The study's name.  [default: the preset's]")
]
StorageOption = Annotated[str, typer.Option("--storage", help="The database, as a URL.")]


@app.command(name="run")
def run_command(
    study: StudyOption = "paper",
    trials: Annotated[
        int, typer.Option(min=1, help="How many finished trials the study shall have.")
    ] = 50,
    storage: StorageOption = DEFAULT_URL,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**32 - 1, help="The study's seed.  [default: 648, or what it has]"
        ),
    ] = None,
    name: NameOption = None,
    data: Annotated[
        Path | None, typer.Option(help="Directory of the IDX or CSV files.  [default: fetched]")
    ] = None,
) -> None:
    """Search until the study has enough finished trials; run again to go on."""
    from search.preset import load_preset, study_name
    from search.progress import Progress, closing, next_steps
    from search.runner import Order, run_search

    order = Order(load_preset(study), study_name(study, name), storage, trials, seed, data)
    progress = Progress()
    started = time.monotonic()
    try:
        found = run_search(order, progress)
    except KeyboardInterrupt:
        progress.close()
        progress.say("interrupted; nothing is lost: run the same command again to go on")
        sys.exit(130)
    finally:
        progress.close()
    closing(progress.console, found, time.monotonic() - started)
    next_steps(progress.console, found, _variables(study, name, storage, data))


def _variables(study: str, name: str | None, storage: str, data: Path | None = None) -> str:
    """The make variables that say the same as these options, where they are not the default."""
    from shlex import quote

    from search.storage import shown

    usual = {"STUDY": "paper", "NAME": None, "STORAGE": DEFAULT_URL, "DATA": None}
    given = {"STUDY": study, "NAME": name, "STORAGE": storage, "DATA": data}
    changed = {key: value for key, value in given.items() if value != usual[key]}
    if "STORAGE" in changed:
        changed["STORAGE"] = shown(storage)
    return "".join(f" {key}={quote(str(value))}" for key, value in changed.items())


@app.command()
def status(
    study: StudyOption = "paper",
    storage: StorageOption = DEFAULT_URL,
    name: NameOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say how a study stands, without touching it."""
    from rich.console import Console

    from search.preset import study_name
    from search.progress import next_steps, print_status

    with _opened(study_name(study, name), storage) as found:
        trials = found.get_trials(deepcopy=False)
        if as_json:
            print(json.dumps(_status(found, trials), indent=2))
            return
        console = Console()
        print_status(console, found)
        next_steps(console, found, _variables(study, name, storage))


def _status(study: Any, trials: list[Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from search.trials import best_trials, tally

    counts = tally(trials)
    best = best_trials(trials, 1)
    return {
        "study": study.study_name,
        "finished": counts.finished,
        **asdict(counts),
        "epochs_run": sum(trial.user_attrs.get("epochs_run", 0) for trial in trials),
        "train_seconds": round(
            sum(trial.user_attrs.get("train_seconds", 0) for trial in trials), 1
        ),
        "best": {"trial": best[0].number, "value": best[0].value, "params": best[0].params}
        if best
        else None,
        "seed": study.user_attrs.get("seed"),
    }


@app.command()
def export(
    study: StudyOption = "paper",
    storage: StorageOption = DEFAULT_URL,
    name: NameOption = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="A trial's number.  [default: the best]")
    ] = None,
) -> None:
    """Write the best configuration to studies/results/<study>/best.toml."""
    from search.export import export as write
    from search.preset import study_name

    with _opened(study_name(study, name), storage) as found:
        path = write(found, storage, trial)
    print(f"{path} written; next: make evaluate{_variables(study, name, DEFAULT_URL)}")


@contextmanager
def _opened(name: str, storage: str) -> Iterator[Study]:
    """A study that is only looked at; what its database raises meanwhile is one sentence."""
    from search.storage import faults_explained, open_read_only
    from search.study import load_study

    with faults_explained(storage):
        yield load_study(open_read_only(storage), storage, name)


if __name__ == "__main__":
    run(app)
