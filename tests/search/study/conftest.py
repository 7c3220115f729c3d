"""A study as it was made before a trial's record had a version, and trials of other origins."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.storage.connection import open_storage
from tests.search.conftest import URL

OLD = Path(__file__).parent / "old_study"
"""See its README.md."""


@pytest.fixture
def old_study(project):
    """A project with the database, the presets and the results of `OLD`; the project's folder."""
    results = project / "studies/results"
    (results / "kept").mkdir(parents=True)
    (results / "studies.db").write_bytes(gzip.decompress((OLD / "studies.db.gz").read_bytes()))
    for preset in ("kept.toml", "recorded.toml"):
        shutil.copy(OLD / preset, project / "studies")
    for result in ("best.toml", "evaluation.json"):
        shutil.copy(OLD / result, results / "kept")
    return project


@pytest.fixture
def kept(old_study) -> optuna.Study:
    """The study `kept` of the old database, open for writing."""
    return optuna.load_study(study_name="kept", storage=open_storage(URL))


def add(
    study: optuna.Study,
    value: float | None = 0.5,
    state: TrialState = TrialState.COMPLETE,
    params: dict[str, Any] | None = None,
    more: dict[str, tuple[Any, BaseDistribution]] | None = None,
    without: tuple[str, ...] = (),
    **attributes: Any,
) -> FrozenTrial:
    """Add a trial by hand, with the parameters of the study's first, but for some; as it is read
    again."""
    first = study.get_trials(deepcopy=False)[0]
    params = {name: v for name, v in first.params.items() if name not in without} | (params or {})
    distributions = {name: first.distributions[name] for name in params}
    for name, (given, distribution) in (more or {}).items():
        params[name], distributions[name] = given, distribution
    made = create_trial(
        state=state,
        value=value if state == TrialState.COMPLETE else None,
        params=params,
        distributions=distributions,
        user_attrs=attributes,
    )
    study.add_trial(made)
    return study.get_trials(deepcopy=False)[-1]
