"""The arms of `benchmarks.search`: each is one search, made in a process of its own.

The clock of an arm starts when data and libraries are loaded. Every competitor has its default
settings, with two exceptions: KerasTuner is told to maximise the validation accuracy, and Optuna's
Hyperband is told how many epochs a run has (otherwise it prunes nothing until a run has completed).
Competitors keep their studies where they do by default: Optuna in memory, KerasTuner in files.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.peers.ours import last, ours, ours_by_two
from benchmarks.peers.question import Log, Question
from benchmarks.tools.library_internals import bracket_sizes

if TYPE_CHECKING:
    import optuna

TOP_SHARE = 10
"""One in this many configurations is trained in full, as in the published baseline."""
Row = dict[str, Any]


def optuna_plain(question: Question, seed: int) -> Row:
    """Optuna and `fit`, without a pruner."""
    import optuna

    return _optuna(question, seed, optuna.pruners.NopPruner())


def optuna_median(question: Question, seed: int) -> Row:
    """Optuna and `fit`, with its default pruner."""
    import optuna

    return _optuna(question, seed, optuna.pruners.MedianPruner())


def optuna_hyperband(question: Question, seed: int) -> Row:
    """Optuna and `fit`, with Hyperband."""
    import optuna

    return _optuna(question, seed, optuna.pruners.HyperbandPruner(max_resource=question.epochs))


def _optuna(question: Question, seed: int, pruner: optuna.pruners.BasePruner) -> Row:
    import optuna

    from benchmarks.peers.fit import Prune, Tell, arrays, fit
    from search.presets.search_space import suggest

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data, preset, log = arrays(*question.data()), question.load(), Log()
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner
    )

    def objective(trial: optuna.Trial) -> float:
        suggest(trial, preset)
        model, train = question.configurations(trial.params, 1000 * seed + trial.number)
        return fit(model, train, data, [Tell(log, data), Prune(trial)])

    study.optimize(objective, question.trials)
    best = max(study.trials, key=lambda t: (t.state == optuna.trial.TrialState.COMPLETE, last(t)))
    return log.row(last(best), best.params)


def tuner_hyperband(question: Question, seed: int) -> Row:
    """KerasTuner's Hyperband, with as many iterations as give about the wanted number of
    configurations."""
    import keras_tuner

    def make(build: Callable[..., Any], folder: str) -> Any:
        tuner = keras_tuner.Hyperband(
            build,
            objective="val_accuracy",
            max_epochs=question.epochs,
            seed=seed,
            directory=folder,
        )
        oracle = tuner.oracle
        per_iteration = sum(bracket_sizes(oracle))
        oracle.hyperband_iterations = max(1, round(question.trials / per_iteration))
        return tuner

    return _tuner(question, seed, make)


def tuner_bayesian(question: Question, seed: int) -> Row:
    """KerasTuner's BayesianOptimization."""
    import keras_tuner

    def make(build: Callable[..., Any], folder: str) -> Any:
        return keras_tuner.BayesianOptimization(
            build,
            objective="val_accuracy",
            max_trials=question.trials,
            seed=seed,
            directory=folder,
        )

    return _tuner(question, seed, make)


def _tuner(question: Question, seed: int, make: Callable[..., Any]) -> Row:
    import keras

    from benchmarks.peers.fit import Tell, arrays, compiled

    keras.utils.set_random_seed(seed)
    data, log = arrays(*question.data()), Log()

    def build(hyperparameters: Any) -> Any:
        params = _ask(question, hyperparameters)
        return compiled(*question.configurations(params, seed))

    with tempfile.TemporaryDirectory() as folder:
        tuner = make(build, folder)
        tuner.search(
            data.pixels,
            data.labels,
            batch_size=question.batch_size,
            epochs=question.epochs,
            validation_data=(data.val_pixels, data.val_labels),
            callbacks=[Tell(log, data)],
            verbose=0,
        )
        best = tuner.oracle.get_best_trials(1)[0]
        if best.score is None:  # KerasTuner goes on where every trial has failed
            raise RuntimeError(f"no trial of KerasTuner's has completed: {best.message}")
        row = log.row(best.score, _ask(question, best.hyperparameters))
        tried = tuner.oracle.trials.values()
        fresh = [trial for trial in tried if "tuner/trial_id" not in trial.hyperparameters.values]
        return {**row, "configurations": len(fresh)}


def _ask(question: Question, hyperparameters: Any) -> dict[str, Any]:
    """The search space of the preset in KerasTuner's terms."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from search.presets.search_space import distributions

    params = {}
    for name, space in distributions(question.load()).items():
        if isinstance(space, CategoricalDistribution):
            params[name] = hyperparameters.Choice(name, list(space.choices))
        else:
            assert isinstance(space, FloatDistribution | IntDistribution)
            ask = hyperparameters.Float
            if isinstance(space, IntDistribution):
                ask = hyperparameters.Int
            sampling = "log" if space.log else "linear"
            step = {"step": space.step} if space.step and not space.log else {}
            params[name] = ask(name, space.low, space.high, sampling=sampling, **step)
    return params


def top_few(question: Question, seed: int) -> Row:
    """Random configurations with one epoch each; then the best tenth of them, trained anew in
    full."""
    import optuna

    from benchmarks.peers.fit import Tell, arrays, fit
    from search.presets.search_space import distributions

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data, log = arrays(*question.data()), Log()
    random = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    space = distributions(question.load())
    candidates = [random.ask(space).params for _ in range(question.trials)]

    def trained(numbers: Sequence[int], epochs: int) -> list[tuple[float, int]]:
        found = []
        for number in numbers:
            model, train = question.configurations(candidates[number], 1000 * seed + number)
            found.append((fit(model, train, data, [Tell(log, data)], epochs), number))
        return sorted(found, reverse=True)

    first = trained(range(question.trials), 1)
    few = max(1, math.ceil(question.trials / TOP_SHARE))
    accuracy, best = trained([number for _, number in first[:few]], question.epochs)[0]
    return {**log.row(accuracy, candidates[best]), "configurations": question.trials}


def retrained(question: Question, params: dict[str, Any], seeds: Sequence[int]) -> list[float]:
    """Validation accuracies of a configuration that is trained anew with these seeds.

    It is always trained by our engine, so that only the configurations are compared.
    """
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    engine = TensorFlowEngine(*question.data())
    values = []
    for seed in seeds:
        model, train = question.configurations(params, seed)
        values.append(engine.run(model, train).history[-1].val_accuracy or 0.0)
    return values


ARMS: dict[str, Callable[[Question, int], Row]] = {
    "(a) ours": ours,
    "(b) Optuna, fit": optuna_plain,
    "(c) Optuna, fit, Median": optuna_median,
    "(d) Optuna, fit, Hyperband": optuna_hyperband,
    "(e) KerasTuner, Hyperband": tuner_hyperband,
    "(f) KerasTuner, Bayesian": tuner_bayesian,
    "(g) one epoch, then top few": top_few,
    "(h) ours, two workers": ours_by_two,
}
