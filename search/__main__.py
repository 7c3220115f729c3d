"""python -m search run | worker | status | export | copy: the search's command line."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fmnist_model.utils import PATHS, make_default_folder, new_app, run
from search.console import SEARCH_REMEDIES

if TYPE_CHECKING:
    from optuna.study import Study

    from search.console import Progress
    from search.execution import EngineLoader, SearchJob, TimeLimit, WorkerSpec
    from search.study import Standing, Winner

DEFAULT_TRIALS = 50

app = new_app("Search hyperparameters, look at how a study stands, export its best configuration.")

StudyOption = Annotated[
    str, typer.Option("--study", help="A preset: a name in studies/, or a .toml file.")
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="The study's name.  [default: the preset's]")
]
StorageOption = Annotated[
    str, typer.Option("--storage", envvar="STORAGE", help="The database, as a URL.")
]
TrialsOption = Annotated[
    int | None,
    typer.Option(
        "--trials",
        min=1,
        help="How many finished trials the study shall have.  [default: 50; with --timeout any "
        "number]",
    ),
]
TimeoutOption = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="End after so much time, in seconds or as 60m or 1h; no trial is begun that is not "
        "expected to end in time.",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        max=2**32 - 1,
        help="The study's seed.  [default: 648, or what it has]",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Directory of the IDX or CSV files.  [default: fetched]"),
]

StopOption = Annotated[
    float | None,
    typer.Option(
        "--stop-when",
        help="Stop early when the next trials are expected to improve the best validation "
        "accuracy by less than this.",
    ),
]
EngineOption = Annotated[
    Literal["auto", "tensorflow", "population"],
    typer.Option("--engine", help="Who trains; auto: the population where JAX sees a GPU."),
]


def _check_workers(given: str) -> str:
    if given != "auto" and not (given.isdecimal() and int(given) >= 1):
        raise typer.BadParameter(f"expected a number from 1 on, or auto, not {given!r}")
    return given


WorkersOption = Annotated[
    str,
    typer.Option(
        "--workers",
        metavar="N|auto",
        callback=_check_workers,
        help="How many processes train; auto: as many as cores in a search in budgets without a "
        "GPU, else one.",
    ),
]
SlotsOption = Annotated[
    int | None,
    typer.Option("--slots", min=1, help="Of the population.  [default: as many as pay]"),
]


SourceOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="STUDY",
        help="Begin a new study near the best configurations of this one, of the same database.",
    ),
]


@app.command(name="run")
def run_command(
    study: StudyOption = "paper",
    trials: TrialsOption = None,
    storage: StorageOption = PATHS.default_url,
    seed: SeedOption = None,
    name: NameOption = None,
    data: DataOption = None,
    engine: EngineOption = "auto",
    slots: SlotsOption = None,
    stop_when: StopOption = None,
    timeout: TimeoutOption = None,
    workers: WorkersOption = "auto",
    source: SourceOption = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="TensorFlow's threads in each.  [default: the cores, shared out]"),
    ] = None,
    launcher: Annotated[
        Literal["local", "ray"], typer.Option(help="Where workers run: here, or on a Ray cluster.")
    ] = "local",
    cpus: Annotated[float, typer.Option(min=0, help="Processors of each worker on Ray.")] = 1,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each worker on Ray.")] = 0,
) -> None:
    """Search until the study has enough finished trials; run again to go on."""
    from search.algorithms import check_stop_when
    from search.console import Progress, print_end, print_next_steps
    from search.execution import (
        SearchJob,
        WorkerSpec,
        auto_workers,
        chosen_engine,
        job_as_begun,
        loader,
        thread_settings,
        threads_each,
        worker_command,
    )
    from search.presets import load_preset, study_name

    limit = _limit(timeout)
    job = SearchJob(
        load_preset(study, PATHS.presets),
        study_name(study, name),
        storage,
        _target(trials, limit),
        seed,
        data,
        stop_when=check_stop_when(stop_when),
        data_home=PATHS.data,
        weights=PATHS.weights,
        limit=limit,
        source=source,
    )
    alone = workers in ("auto", "1") and launcher == "local"
    chosen = chosen_engine(engine, job.preset, alone)
    load = loader(chosen, slots)
    spec = None
    if workers == "auto" and alone:
        make_default_folder(storage)
        count = auto_workers(job_as_begun(job).preset, chosen)
    else:
        count = 1 if workers == "auto" else int(workers)
    if count > 1 or launcher == "ray":
        each = max(1, int(cpus)) if launcher == "ray" else threads_each(count)
        settings = thread_settings(threads or each) | {"STORAGE": storage}
        command = worker_command(job, study, chosen, slots)
        spec = WorkerSpec(command, count, settings, launcher, cpus, gpus, Path.cwd())
    elif threads is not None:
        os.environ.update(thread_settings(threads))
    progress = Progress()
    started = time.monotonic()
    found = _searched(job, progress, spec, load)
    print_end(progress.console, found, time.monotonic() - started, limit and limit.seconds)
    given: dict[str, object] = {"STUDY": study, "NAME": name, "STORAGE": storage, "DATA": data}
    given |= {"TRIALS": trials, "TIMEOUT": timeout}
    given |= {"ENGINE": engine, "SLOTS": slots, "WORKERS": workers, "THREADS": threads}
    given["LAUNCHER"] = launcher
    if launcher == "ray":
        given |= {"CPUS_PER_WORKER": cpus, "GPUS_PER_WORKER": gpus}
        given |= {"RAY_ADDRESS": os.environ.get("RAY_ADDRESS")}
    print_next_steps(progress.console, found, given)


@app.command()
def worker(
    study: StudyOption = "paper",
    trials: TrialsOption = None,
    storage: StorageOption = PATHS.default_url,
    seed: SeedOption = None,
    name: NameOption = None,
    data: DataOption = None,
    engine: EngineOption = "tensorflow",
    slots: SlotsOption = None,
    stop_when: StopOption = None,
    timeout: TimeoutOption = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    deadline: Annotated[float | None, typer.Option(hidden=True)] = None,
) -> None:
    """Work on a study beside other workers, here or elsewhere, until it has enough trials."""
    from search.algorithms import check_stop_when
    from search.console import Progress
    from search.execution import SearchJob, chosen_engine, loader
    from search.presets import load_preset, study_name

    preset, gain = load_preset(study, PATHS.presets), check_stop_when(stop_when)
    known_as = study_name(study, name)
    limit = _limit(timeout, deadline)
    ends = (gain, PATHS.data, PATHS.weights, limit)
    target = _target(trials, limit)
    job = SearchJob(preset, known_as, storage, target, seed, data, True, parent, *ends)
    chosen = chosen_engine(engine, preset, alone=True)
    _searched(job, Progress(), None, loader(chosen, slots))


def _limit(timeout: str | None, deadline: float | None = None) -> TimeLimit | None:
    """The time limit that was given, which begins now unless it has a deadline."""
    from search.execution import TimeLimit, parse_timeout

    if timeout is None:
        return None
    seconds = parse_timeout(timeout)
    return TimeLimit.from_now(seconds) if deadline is None else TimeLimit(seconds, deadline)


def _target(trials: int | None, limit: TimeLimit | None) -> int | None:
    """How many trials the study shall have: with a time limit any number, if none is given."""
    return DEFAULT_TRIALS if trials is None and limit is None else trials


def _searched(
    job: SearchJob, progress: Progress, spec: WorkerSpec | None, load: EngineLoader
) -> Study:
    """Search; after an interrupt say so in a line, and exit with code 130."""
    from search.execution import run_search

    make_default_folder(job.url)
    try:
        return run_search(job, progress, spec, load)
    except KeyboardInterrupt:
        progress.close()
        progress.say("interrupted; nothing is lost: run the same command again to go on")
        sys.exit(130)
    finally:
        progress.close()


@app.command()
def status(
    study: StudyOption = "paper",
    storage: StorageOption = PATHS.default_url,
    name: NameOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say how a study stands, without touching it."""
    from rich.console import Console

    from search.console import print_next_steps, print_status
    from search.presets import study_name

    with _opened(study_name(study, name), storage) as found:
        trials = found.get_trials(deepcopy=False)
        if as_json:
            print(json.dumps(_status(found, trials), indent=2))
            return
        console = Console()
        print_status(console, found)
        print_next_steps(console, found, {"STUDY": study, "NAME": name, "STORAGE": storage})


def _status(study: Any, trials: list[Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from search.algorithms import STOPPED
    from search.generations import WarmStart
    from search.study import (
        TrialRecord,
        budgeted_preset,
        count_trials,
        infeasible_in_words,
        winner_of,
    )

    counts = count_trials(trials)
    records = [TrialRecord.of(trial) for trial in trials]
    best, preset, warm_start = winner_of(study), budgeted_preset(study), WarmStart.of(study)
    objective = preset.objective if preset is not None else None
    wanted = {} if objective is None else {"objective": objective.model_dump(mode="json")}
    infeasible = infeasible_in_words(trials, preset)
    return {
        "study": study.study_name,
        "finished": counts.finished,
        **asdict(counts),
        "epochs_run": sum(record.epochs_trained for record in records),
        "train_seconds": round(sum(record.seconds_trained for record in records), 1),
        "best": _best(best) if best is not None else None,
        "seed": study.user_attrs.get("seed"),
        "stopped": study.user_attrs.get(STOPPED),
        **({"begun_from": warm_start.study} if warm_start is not None else {}),
        **wanted,
        **({"infeasible": infeasible} if infeasible is not None else {}),
    }


def _best(best: Winner) -> dict[str, Any]:
    """The best trial, or the best configuration of a search in budgets and what is known of it."""
    from search.study import is_decided

    found = {"trial": best.trial.number, "value": best.value, "params": best.trial.params}
    one = best.standing
    if one is None:
        return found
    found |= {
        **_judged(one),
        "parameters": one.parameters,
        "decided": is_decided(best.standings),
    }
    if best.objective is None:
        return found
    front = [
        {"trial": each.number, "value": each.mean, **_judged(each), "measured": dict(each.measured)}
        for each in best.front
    ]
    return {**found, "rule": best.rule, "measured": dict(one.measured), "pareto_front": front}


def _judged(one: Standing) -> dict[str, Any]:
    """What is known of a configuration's accuracy."""
    return {
        "configuration": one.configuration,
        "budget": one.budget,
        "seeds": one.seeds,
        "interval": [one.low, one.high],
        "best_probability": one.best_probability,
    }


@app.command()
def export(
    study: StudyOption = "paper",
    storage: StorageOption = PATHS.default_url,
    name: NameOption = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="A trial's number.  [default: the best]")
    ] = None,
    rule: Annotated[
        Literal["best", "one_standard_error"] | None,
        typer.Option(
            help="Which one of a search in budgets: the most accurate, or the smallest within one "
            "standard error of that.  [default: the preset's]"
        ),
    ] = None,
) -> None:
    """Write the best configuration to studies/results/<study>/best.toml."""
    from search.console import make_command
    from search.presets import study_name
    from search.study import export as write

    with _opened(study_name(study, name), storage) as found:
        path = write(found, storage, PATHS.results, trial, rule)
    print(f"{path} written; next: {make_command('evaluate', {'STUDY': study, 'NAME': name})}")


@app.command()
def copy(
    source: Annotated[str, typer.Option("--from", help="The database that has it, as a URL.")],
    target: Annotated[str, typer.Option("--to", help="The database that gets it, as a URL.")],
    study: StudyOption = "paper",
    name: NameOption = None,
) -> None:
    """Copy a study from one database to another, and verify it."""
    from search.console import hidden_note, make_command
    from search.presets import study_name
    from search.study import copy_study

    make_default_folder(target)
    done = copy_study(source, target, study_name(study, name))
    print(f"{done.study}: {done.trials} trials copied to {done.target} and verified")
    given = {"STUDY": study, "NAME": name, "STORAGE": target}
    print(f"next{hidden_note(given)}: {make_command('search', given)}")


@contextmanager
def _opened(name: str, storage: str) -> Iterator[Study]:
    """A study that is only looked at; what its database raises meanwhile is one sentence."""
    from search.storage import open_read_only, storage_errors_explained
    from search.study import load_study

    with storage_errors_explained(storage):
        yield load_study(open_read_only(storage), storage, name)


if __name__ == "__main__":
    run(app, SEARCH_REMEDIES)
