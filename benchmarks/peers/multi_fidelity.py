"""Libraries that search in budgets, too, each with its defaults, as questions for runs.

A search is a generator: it yields the run that it wants, and is sent the run's validation accuracy.
So whoever answers counts the epochs and says when it ends. Budgets that are not whole epochs are
rounded. The libraries are in the extras `peers` and `dehb`, and HEBO is installed as
`docs/benchmarks.md` says: no environment can hold all of them.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Generator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Space = Mapping[str, BaseDistribution]


class Wanted(NamedTuple):
    """A run that a search asks for: its parameters and its epochs."""

    params: dict[str, Any]
    epochs: int


Search = Generator[Wanted, float, None]


class Peer(NamedTuple):
    """A library's search: the package that it needs, the package's module, and what begins it.

    It is begun with the space, the epochs of a whole run, how many epochs the search will have in
    all, and its seed.
    """

    package: str
    module: str
    begin: Callable[[Space, int, int, int], Search]

    def is_installed(self) -> bool:
        """Can it be begun here?"""
        return find_spec(self.module) is not None

    def version(self) -> str:
        """The release that is installed, by its package's name."""
        return f"{self.package} {version(self.package)}"


def smac(space: Space, epochs: int, total: int, seed: int) -> Search:
    """SMAC3's multi-fidelity facade: random forests and Hyperband."""
    from smac import MultiFidelityFacade, Scenario
    from smac.intensifier.hyperband_utils import get_n_trials_for_hyperband_multifidelity
    from smac.runhistory.dataclasses import TrialValue

    trials = get_n_trials_for_hyperband_multifidelity(total, 1, epochs, print_summary=False)
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            config_space(space, seed),
            deterministic=True,
            min_budget=1,
            max_budget=epochs,
            n_trials=trials,
            seed=seed,
            output_directory=Path(folder),
        )
        facade = MultiFidelityFacade(scenario, _never_called, logging_level=False)
        while True:
            info = facade.ask()
            accuracy = yield Wanted(_plain(info.config), round(info.budget))
            facade.tell(info, TrialValue(cost=1 - accuracy))


def _never_called(config: Any, seed: int, budget: float) -> float:
    """The objective that SMAC wants to be given even where it is only asked."""
    raise AssertionError((config, seed, budget))


def dehb(space: Space, epochs: int, _total: int, seed: int) -> Search:
    """DEHB: differential evolution and Hyperband."""
    from dehb import DEHB

    with tempfile.TemporaryDirectory() as folder:
        made = DEHB(
            cs=config_space(space, seed),
            min_fidelity=1,
            max_fidelity=epochs,
            n_workers=1,
            seed=seed,
            output_path=folder,
            log_level="ERROR",
        )
        while True:
            job = made.ask()
            budget = float(job["fidelity"])
            accuracy = yield Wanted(_plain(job["config"]), round(budget))
            made.tell(job, {"fitness": 1 - accuracy, "cost": budget})


def neps(name: str) -> Callable[[Space, int, int, int], Search]:
    """A search of NePS by its name there. It draws from the global random numbers alone."""

    def begin(space: Space, epochs: int, _total: int, seed: int) -> Search:
        import neps
        import torch

        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        asked = neps.AskAndTell(getattr(neps.algorithms, name)(_neps_space(space, epochs)))
        while True:
            trial = asked.ask()
            params = dict(trial.config)
            accuracy = yield Wanted(params, int(params.pop(FIDELITY)))
            asked.tell(trial, 1 - accuracy)

    return begin


FIDELITY = "epochs_of_the_run"


def _neps_space(space: Space, epochs: int) -> Any:
    import neps

    parts = {name: _neps_parameter(distribution) for name, distribution in space.items()}
    fidelity = {FIDELITY: neps.IntegerFidelity(1, epochs)}
    return type("Space", (neps.PipelineSpace,), {**parts, **fidelity})()


def _neps_parameter(distribution: BaseDistribution) -> Any:
    import neps

    if isinstance(distribution, CategoricalDistribution):
        return neps.Categorical(list(distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    made = neps.Integer if isinstance(distribution, IntDistribution) else neps.Float
    return made(distribution.low, distribution.high, log=distribution.log)


def hebo(space: Space, epochs: int, _total: int, seed: int) -> Search:
    """HEBO: Gaussian processes with an evolutionary acquisition. It knows no budgets."""
    import pandas as pd
    from hebo.design_space.design_space import DesignSpace
    from hebo.optimizers.hebo import HEBO

    parts = [_hebo_parameter(name, distribution) for name, distribution in space.items()]
    made = HEBO(DesignSpace().parse(parts), scramble_seed=seed)
    random.seed(seed)
    np.random.seed(seed)
    while True:
        asked: pd.DataFrame = made.suggest(n_suggestions=1)
        accuracy = yield Wanted({name: asked[name].iloc[0] for name in space}, epochs)
        made.observe(asked, np.array([[1 - accuracy]]))


def _hebo_parameter(name: str, distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, CategoricalDistribution):
        return {"name": name, "type": "cat", "categories": list(distribution.choices)}
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    whole = isinstance(distribution, IntDistribution)
    kind = ("pow_int" if whole else "pow") if distribution.log else ("int" if whole else "num")
    return {"name": name, "type": kind, "lb": distribution.low, "ub": distribution.high}


def config_space(space: Space, seed: int) -> Any:
    """The same space for the libraries that take a `ConfigSpace.ConfigurationSpace`."""
    from ConfigSpace import ConfigurationSpace

    made = ConfigurationSpace(seed=seed)
    made.add(*(_config_parameter(name, distribution) for name, distribution in space.items()))
    return made


def _config_parameter(name: str, distribution: BaseDistribution) -> Any:
    from ConfigSpace import Categorical, Float, Integer

    if isinstance(distribution, CategoricalDistribution):
        return Categorical(name, list(distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    made = Integer if isinstance(distribution, IntDistribution) else Float
    return made(name, (distribution.low, distribution.high), log=distribution.log)


def _plain(config: Any) -> dict[str, Any]:
    """A configuration's values, as Python's own types where they are NumPy's."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in dict(config).items()
    }


PEERS: Mapping[str, Peer] = {
    "smac": Peer("smac", "smac", smac),
    "neps, asha": Peer("neural-pipeline-search", "neps", neps("asha")),
    "neps, hyperband": Peer("neural-pipeline-search", "neps", neps("hyperband")),
    "neps, priorband": Peer("neural-pipeline-search", "neps", neps("priorband")),
    "dehb": Peer("dehb", "dehb", dehb),
    "hebo, in full": Peer("HEBO", "hebo", hebo),
}
"""By the name of the search. PriorBand has no prior here."""
