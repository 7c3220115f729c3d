"""Large studies: made in one go, and how long a trial's questions take in them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Table, insert

from benchmarks.standins.stored import EPOCHS
from search.algorithms.pruners import make_pruner
from search.algorithms.samplers import make_sampler
from search.execution.trial_queue import IdleReason, TrialQueue
from search.presets.preset import Preset
from search.presets.search_space import distributions, suggest
from search.storage.connection import open_storage
from search.storage.optuna_internals import storage_of, study_id
from search.storage.optuna_tables import (
    INTERMEDIATE_VALUES,
    PARAMS,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
    encode_intermediate_value,
    encode_value,
)
from search.storage.rdb import backend
from search.storage.transactions import transaction
from search.study.study import open_study
from search.study.trial_record import TrialRecord

REPEATS = 7


def grown(url: str, preset: Preset, count: int) -> Study:
    """A new study with `size` completed trials of random parameters."""
    study = open_study(
        open_storage(url, heartbeat=60), f"grown-{uuid.uuid4().hex[:8]}", preset, seed=0
    )
    study.pruner = make_pruner(preset)
    fill(study, [completed(number, preset) for number in range(count)])
    return study


def completed(number: int, preset: Preset) -> FrozenTrial:
    """A completed trial of random parameters and curve; the same number gives the same trial."""
    random = np.random.default_rng(number)
    spaces = distributions(preset)
    params = {
        name: space.choices[random.integers(len(space.choices))]
        if isinstance(space, optuna.distributions.CategoricalDistribution)
        else float(random.uniform(space.low, space.high))  # type: ignore[attr-defined]
        for name, space in spaces.items()
    }
    curve = {epoch: float(random.uniform()) for epoch in range(1, EPOCHS + 1)}
    return create_trial(
        state=TrialState.COMPLETE,
        value=curve[EPOCHS],
        params=params,
        distributions=spaces,
        intermediate_values=curve,
        user_attrs=dict(TrialRecord.of_claim(number).attributes),
    )


def fill(study: Study, trials: Sequence[FrozenTrial]) -> None:
    """Write completed trials into an empty study.

    The rows are those that `add_trials` would write, but all rows of a table are written at once;
    `add_trials` takes some forty statements a trial, and looks at each.
    """
    with transaction(study):
        session = backend(study).scoped_session()

        def write(table: Table, rows: list[dict[str, Any]]) -> None:
            session.execute(insert(table), rows)

        heads = [_head(study, number, trial) for number, trial in enumerate(trials)]
        keys = insert(TRIALS).returning(TRIALS.c.trial_id, TRIALS.c.number)
        made = session.execute(keys, heads)
        ids = {number: trial_id for trial_id, number in made}
        owned = [(ids[number], trial) for number, trial in enumerate(trials)]
        write(VALUES, [_value(key, trial) for key, trial in owned])
        write(PARAMS, [row for o in owned for row in _params(*o)])
        write(INTERMEDIATE_VALUES, [row for o in owned for row in _curve(*o)])
        write(USER_ATTRIBUTES, [row for o in owned for row in _attributes(*o)])


def _head(study: Study, number: int, trial: FrozenTrial) -> dict[str, Any]:
    times = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
    return {"number": number, "study_id": study_id(study), "state": trial.state, **times}


def _value(key: int, trial: FrozenTrial) -> dict[str, Any]:
    assert trial.value is not None
    value, kind = encode_value(trial.value)
    return {"trial_id": key, "objective": 0, "value": value, "value_type": kind}


def _params(key: int, trial: FrozenTrial) -> list[dict[str, Any]]:
    return [
        {
            "trial_id": key,
            "param_name": name,
            "param_value": space.to_internal_repr(trial.params[name]),
            "distribution_json": distribution_to_json(space),
        }
        for name, space in trial.distributions.items()
    ]


def _curve(key: int, trial: FrozenTrial) -> list[dict[str, Any]]:
    return [
        dict(
            zip(
                ("intermediate_value", "intermediate_value_type"),
                encode_intermediate_value(value),
                strict=True,
            ),
            trial_id=key,
            step=step,
        )
        for step, value in trial.intermediate_values.items()
    ]


def _attributes(key: int, trial: FrozenTrial) -> list[dict[str, Any]]:
    return [
        {"trial_id": key, "key": name, "value_json": json.dumps(value)}
        for name, value in trial.user_attrs.items()
    ]


def costs(preset: Preset, study: Study) -> dict[str, float]:
    """Median milliseconds of each thing that a trial does with a study."""
    claims = TrialQueue(study, preset, 10**9)
    taken: dict[str, list[float]] = {"claim": [], "propose": [], "report": [], "end": []}

    def timed(what: str, act: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = act()
        taken[what].append(time.perf_counter() - started)
        return result

    for repeat in range(REPEATS):
        trial = timed("claim", claims.next)
        assert not isinstance(trial, IdleReason)
        timed("propose", partial(suggest, trial, preset))
        timed("report", partial(_report, trial))
        timed("end", partial(study.tell, trial, 0.5 + repeat / 100))
    return {what: 1000 * median(seconds) for what, seconds in taken.items()}


def _report(trial: optuna.Trial) -> None:
    with transaction(trial.study):
        trial.report(0.5, 1)
        trial.should_prune()


def asking(preset: Preset, count: int) -> dict[str, float]:
    """Median milliseconds of processor time that a proposal takes, in memory."""
    study = optuna.create_study(direction="maximize")
    study.add_trials([completed(number, preset) for number in range(count)])
    taken = []
    for place in range(count, count + REPEATS):
        queued = create_trial(
            state=TrialState.RUNNING, user_attrs=dict(TrialRecord.of_claim(place).attributes)
        )
        study.sampler = make_sampler(preset, 0, place)
        started = time.process_time()
        trial = optuna.Trial(study, storage_of(study).create_new_trial(study_id(study), queued))
        suggest(trial, preset)
        taken.append(time.process_time() - started)
        study.tell(trial, 0.5)
    return {"ask_ms": 1000 * median(taken)}
