"""Shows a search to the user: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fmnist_model.hyperparameters import shown
from fmnist_model.training import EpochMetrics
from search.algorithms import STOPPED, stop_sentence
from search.console.budget_display import (
    best_in_words,
    chosen_in_words,
    narrow_standings,
    race_in_words,
    standings_table,
)
from search.console.next_commands import hidden_note, make_command
from search.generations import WarmStart
from search.presets import Preset
from search.study import (
    TrialCounts,
    TrialRecord,
    Winner,
    best_trials,
    budgeted_preset,
    count_trials,
    ending,
    failure,
    front_in_words,
    infeasible_in_words,
    is_finished,
    process_is_gone,
    run_in_words,
    winner,
    winner_of,
)

STYLES = {
    "completed": "green",
    "pruned": "cyan",
    "stuck": "yellow",
    "diverged": "magenta",
    "failed": "red",
    "lost": "dim",
}


DIGITS = 3
"""Significant digits of a hyperparameter; few, because lines on a terminal are short."""
JUDGING_SHARE = 0.05
"""How much of the time the live display may take to judge which configuration is the best."""
UNBOUNDED_COLUMNS = 10_000
"""A width in columns that no table exceeds."""


def describe(params: dict[str, object]) -> str:
    """The hyperparameters in one line, with rounded numbers."""
    return " ".join(f"{name}={shown(value, DIGITS)}" for name, value in params.items())


def describe_run(trial: FrozenTrial | Trial) -> str:
    """What is run in one line: in a search in budgets which run it is, then its hyperparameters."""
    run = run_in_words(trial)
    return f"{run}: {describe(trial.params)}" if run else describe(trial.params)


def counts_line(counts: TrialCounts, target: int | None) -> str:
    """How many trials ended in which way, in one line; `target` is how many shall finish."""
    of_target = f"/{target}" if target is not None else ""
    parts = [f"{counts.completed} completed", f"{counts.pruned} pruned", f"{counts.stuck} stuck"]
    parts += [f"{counts.diverged} diverged", f"{counts.failed} failed"]
    if counts.lost:
        parts.append(f"{counts.lost} interrupted or killed (and tried again)")
    return f"{counts.finished}{of_target} finished: {', '.join(parts)}"


class Progress:
    """Shows the running trials, how each trial ends, and the time left.

    Args:
        console: Where to print; by default on stdout.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._live = (
            Live(console=self.console, auto_refresh=False, transient=True)
            if self._terminal
            else None
        )
        self._target: int | None = 0
        self._deadline: float | None = None
        self._already, self._started = 0, time.monotonic()
        self._counts, self._best = TrialCounts(), "none completed yet"
        self._in_flight, self._speed, self._slots = "", 0.0, 1
        self._preset: Preset | None = None
        self._racing: str | None = None
        self._judge_at = 0.0

    @property
    def _terminal(self) -> bool:
        return self.console.is_terminal

    def say(self, message: str) -> None:
        """Print a line."""
        self.console.print(Text(message), soft_wrap=not self._terminal)

    def begun_without_budgets(self, name: str) -> None:
        """Say that the study is older than the preset's budgets."""
        self.say(
            f"study {name!r} was begun without budgets and goes on as it began; NAME=... begins "
            f"one with them"
        )

    def begun_from(self, study: Study) -> None:
        """Say which other study this one was begun from, if it was."""
        warm_start = WarmStart.of(study)
        if warm_start is not None:
            self.say(warm_start.in_words())

    def ended_early(self, why: str | None) -> None:
        """Say why a search ends with fewer trials than were wanted, if it does."""
        if why is not None:
            self.say(why)

    def begin(
        self,
        study: Study,
        target: int | None,
        slots: int = 1,
        deadline: float | None = None,
    ) -> None:
        """Begin to show a study; `slots` trials are trained side by side until `target` have
        finished, or until `deadline`, in seconds since 1970."""
        self._slots, self._deadline = slots, deadline
        self._target, self._started = target, time.monotonic()
        self._preset = budgeted_preset(study)
        self._count(study.get_trials(deepcopy=False))
        self._already = self._counts.finished
        if self._already:
            self.say(f"going on with study {study.study_name}: {counts_line(self._counts, target)}")
        if self._live is not None:
            self._live.start()

    def start(self, trial: Trial) -> None:
        """Show that a trial, whose parameters have been chosen, begins to train."""
        self._in_flight = f"trial {trial.number}: {describe_run(trial)}"
        if self._slots > 1:
            self._in_flight = (
                f"{self._slots} slots side by side, the latest trial is {trial.number}"
            )
        self._refresh()

    def epoch(self, metrics: EpochMetrics) -> None:
        """Show that an epoch has ended."""
        self._speed = metrics.images_per_second * self._slots
        if self._slots > 1:
            self._refresh()
            return
        loss = "not finite" if metrics.loss is None else f"{metrics.loss:.4f}"
        self._refresh(f"epoch {metrics.epoch}, loss {loss}, accuracy {metrics.val_accuracy:.4f}")

    def running(self, trials: Sequence[FrozenTrial]) -> None:
        """Show the trials that run in other workers, instead of those shown before."""
        self._in_flight = "\n".join(map(_running_line, trials))
        self._refresh()

    def end(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> None:
        """Show how `trial`, one of the study's `trials`, has ended."""
        self._count(trials)
        how = ending(trial)
        line = Text(f"trial {trial.number:>3} ")
        line.append(f"{how:<9}", STYLES.get(how, ""))
        line.append(f" {_figures(trial, how)}  {describe_run(trial)}")
        self.console.print(line, soft_wrap=not self._terminal)
        for why in (_explanation(trial, how), TrialRecord.of(trial).weights_note):
            if why is not None:
                self.console.print(Text(f"          {why}", "dim"), soft_wrap=not self._terminal)
        if how == "failed":
            self.say(f"          {failure(trial)}")
        self._in_flight = ""
        self._refresh()

    def close(self) -> None:
        """Remove the live display."""
        if self._live is not None:
            self._live.stop()

    def _count(self, trials: Sequence[FrozenTrial]) -> None:
        self._counts = count_trials(trials)
        began = time.monotonic()
        if self._live is None or began < self._judge_at:
            return
        best = winner(trials, self._preset)
        if best is not None:
            self._best = f"{best_in_words(best)}: {describe(best.trial.params)})"
        self._racing = race_in_words(trials, best)
        now = time.monotonic()
        self._judge_at = now + (now - began) * (1 / JUDGING_SHARE - 1)

    def _refresh(self, detail: str = "") -> None:
        if self._live is None:
            return
        left = self._time_left()
        speed = f"{self._speed:,.0f} images/s" if self._speed else ""
        lines = [counts_line(self._counts, self._target), f"best {self._best}"]
        if self._racing is not None:
            lines.append(self._racing)
        now = " · ".join(part for part in (self._in_flight, detail, speed, left) if part)
        lines.extend(now.split("\n"))
        self._live.update(Group(*(Text(line, overflow="ellipsis") for line in lines)), refresh=True)

    def _time_left(self) -> str:
        done, left = self._counts.finished - self._already, []
        if done and self._target is not None:
            each = (time.monotonic() - self._started) / done
            left.append(each * (self._target - self._counts.finished))
        if self._deadline is not None:
            left.append(max(0.0, self._deadline - time.time()))
        return f"about {timedelta(seconds=round(min(left)))} left" if left else ""


def _running_line(trial: FrozenTrial) -> str:
    step = trial.last_step
    so_far = f"epoch {step}, {trial.intermediate_values[step]:.4f}: " if step is not None else ""
    return f"trial {trial.number}: {so_far}{describe_run(trial)}"


def _figures(trial: FrozenTrial, how: str) -> str:
    """The value, epochs and seconds of a trial, in columns of a fixed width.

    Of a trial that this project did not train only the value is known.
    """
    record = TrialRecord.of(trial)
    if how in ("failed", "lost"):
        return " " * 32
    value = f"{trial.value:>6.4f}" if trial.value is not None else f"{'-':>6}"
    if record.epochs_run is None:
        return f"{value:<32}"
    plural = "epochs" if record.epochs_run != 1 else "epoch "
    seconds = record.train_seconds or 0.0
    return f"{value} after {record.epochs_run:>2} {plural} {seconds:>6.1f} s"


def _explanation(trial: FrozenTrial, how: str) -> str | None:
    """The diagnosis of a stuck or diverged trial, and of one that continued although it was stuck.

    None for all other trials.
    """
    record = TrialRecord.of(trial)
    message = record.diagnosis.message if record.diagnosis is not None else None
    if message is None or not (how in ("stuck", "diverged") or record.recorded):
        return None
    if record.recorded is None:
        return message
    return f"let go on from step {record.recorded.step} of epoch {record.recorded.epoch}: {message}"


def best_table(console: Console, best: Winner, trials: list[FrozenTrial]) -> Table | Group:
    """The five best completed trials, or, in a search in budgets, the best configurations.

    Each hyperparameter has a column of its own, unless the console is too narrow for that: then one
    column holds all of them, or, in a search in budgets, the lines below the table do.
    """
    if best.standing is not None:
        table = standings_table(best, DIGITS)
        return table if _fits(console, table) else narrow_standings(best, DIGITS)
    return _trials_table(console, trials)


def _fits(console: Console, table: Table) -> bool:
    unbounded = console.options.update(max_width=UNBOUNDED_COLUMNS)
    return console.measure(table, options=unbounded).maximum <= console.width


def _trials_table(console: Console, trials: list[FrozenTrial]) -> Table:
    best = best_trials(trials, 5)
    names = list(dict.fromkeys(name for trial in best for name in trial.params))
    table = _titled(*names)
    for trial in best:
        values = [escape(shown(trial.params.get(name, "-"), DIGITS)) for name in names]
        table.add_row(str(trial.number), f"{trial.value:.4f}", *values)
    if _fits(console, table):
        return table
    narrow = _titled("hyperparameters")
    for trial in best:
        narrow.add_row(str(trial.number), f"{trial.value:.4f}", escape(describe(trial.params)))
    return narrow


def _titled(*columns: str) -> Table:
    table = Table(
        title="best trials by validation accuracy",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("trial", "accuracy", *columns):
        table.add_column(column, justify="right" if column == "trial" else "left")
    return table


def print_status(console: Console, study: Study) -> None:
    """Print how many trials ended in which way, which of them run, and the best."""
    trials = study.get_trials(deepcopy=False)
    counts = count_trials(trials)
    console.print(Text(f"{study.study_name}: {counts_line(counts, None)}"), soft_wrap=True)
    warm_start = WarmStart.of(study)
    if warm_start is not None:
        console.print(Text(warm_start.in_words()), soft_wrap=True)
    if counts.waiting:
        how = "enqueued" if budgeted_preset(study) is None else "planned"
        console.print(Text(f"{counts.waiting} {how}, to be run next"), soft_wrap=True)
    best = winner_of(study)
    for trial in trials:
        if ending(trial) == "running":
            killed = process_is_gone(TrialRecord.of(trial).worker)
            how = "was killed; the next make search tries it again" if killed else "is running"
            console.print(Text(f"trial {trial.number} {how}"), soft_wrap=True)
    stopped = study.user_attrs.get(STOPPED)
    if stopped is not None:
        console.print(Text(f"stopped early: {stop_sentence(stopped)}"), soft_wrap=True)
    if best is not None:
        console.print(best_table(console, best, trials))
        if best.standing is not None:
            console.print(Text(chosen_in_words(best)), soft_wrap=True)
            if (front := front_in_words(best)) is not None:
                console.print(Text(front), soft_wrap=True)
    elif (infeasible := infeasible_in_words(trials, budgeted_preset(study))) is not None:
        console.print(Text(infeasible), soft_wrap=True)


def print_end(console: Console, study: Study, seconds: float, timeout: float | None = None) -> None:
    """Print the status of the study after a search, and how many seconds the search took, of those
    that it had."""
    console.print()
    print_status(console, study)
    given = f" of {timedelta(seconds=round(timeout))}" if timeout is not None else ""
    console.print(f"this took {timedelta(seconds=round(seconds))}{given}", highlight=False)


def print_next_steps(console: Console, study: Study, given: Mapping[str, object]) -> None:
    """Print the commands that make sense next, with the make variables that were given.

    A search that ended by time alone is searched on for as long, any other for as many trials.
    """
    trials = study.get_trials(deepcopy=False)
    steps = {"dashboard": "look at it in the browser", "report": "draw it as one page"}
    if winner_of(study) is not None:
        steps["export"] = "write the best configuration to best.toml"
        steps["evaluate"] = "then retrain that and open the test set once"
    steps["search"] = "search on"
    by_time_alone = given.get("TIMEOUT") is not None and given.get("TRIALS") is None
    twice_as_many = None if by_time_alone else max(1, 2 * sum(map(is_finished, trials)))
    commands = {
        target: make_command(target, {**given, "TRIALS": twice_as_many}) for target in steps
    }
    width = max(map(len, commands.values()))
    console.print(Text(f"next{hidden_note(given)}:"), soft_wrap=True)
    for target, purpose in steps.items():
        console.print(Text(f"  {commands[target]:<{width}}   # {purpose}"), soft_wrap=True)
