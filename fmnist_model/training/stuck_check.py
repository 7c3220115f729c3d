"""Checks a run whose gradients are exactly zero: collects the evidence and has it diagnosed."""

from __future__ import annotations

import time

from fmnist_model.diagnosis import (
    LOSS_CEILING,
    Census,
    Diagnosis,
    Evidence,
    Moment,
    diagnose_stuck,
    exploded,
    is_enough,
)
from fmnist_model.training.run_counts import Check
from fmnist_model.training.run_state import RunState, other_recovery_paths
from fmnist_model.training.stop_rule import StopRule

ROUNDING = {"float32": 2.0**-10, "bfloat16": 2.0**-6}
"""How near to opening a unit may come, as a share of its greatest pre-activation, before another
order of summation might open it. A GPU chooses the order by the batch size; on a CPU an image's
outputs are the same to the last bit in batches of any size but 1."""


class StuckCheck:
    """Decides whether a run without gradients is stuck.

    A check that is due for no other reason than that the run ends is left out of the run's counts:
    were the run continued, it would not have been made.
    """

    def __init__(self, state: RunState, rule: StopRule) -> None:
        self._state, self._rule = state, rule
        self._last_check: list[Check] = []

    @property
    def checks(self) -> list[Check]:
        """The checks that have been made."""
        return [*self._state.counts.checks, *self._last_check]

    def fault(self, now: Moment, last: bool) -> Diagnosis | None:
        """Check the run if that is due at this step; a reason to stop it, else None.

        `last` says whether this is the last step of all.
        """
        gradients = self._state.counts.gradients
        if gradients.check_due(last=False):
            diagnosis, check = self._checked(now)
            gradients.record_check(check.kind is not None)
            self._state.counts.checks.append(check)
        elif gradients.check_due(last):
            diagnosis, check = self._checked(now)
            self._last_check = [check]
        else:
            return None
        if diagnosis is None:
            return None
        if now.loss > LOSS_CEILING:  # what died of an explosion counts as exploded, not as stuck
            onset = self._state.explosion_onset(now)
            diagnosis = exploded(onset, self._state.vital_signs(), diagnosis)
        return self._rule.apply(diagnosis, now)

    def _checked(self, now: Moment) -> tuple[Diagnosis | None, Check]:
        """What the run suffers from, if that is enough to stop it, and what is noted of it."""
        started = time.perf_counter()
        evidence = collect_evidence(self._state, now)
        diagnosis = diagnose_stuck(evidence)
        enough = diagnosis is not None and is_enough(diagnosis, evidence)
        check = Check(
            now.epoch,
            now.step,
            evidence.zero_grad_steps,
            diagnosis.kind if diagnosis is not None else None,
            diagnosis.layer if diagnosis is not None else None,
            diagnosis.certain if diagnosis is not None else False,
            enough,
            time.perf_counter() - started,
        )
        return diagnosis if enough else None, check


def collect_evidence(state: RunState, now: Moment) -> Evidence:
    """Take the censuses that show whether a run is stuck, and add what else is known of it."""
    after_momentum: Census | None = None
    if state.train.momentum > 0:
        with state.network.after_momentum(state.train.learning_rate):
            after_momentum = state.network.census()
    zero_grad_steps = state.counts.gradients.zero_grad_steps
    return Evidence(
        census=state.network.census(),
        after_momentum=after_momentum,
        onset=state.onset(now, zero_grad_steps),
        zero_grad_steps=zero_grad_steps,
        zero_grad_images=zero_grad_steps * state.batch,
        before_dropout=state.network.before_dropout if state.model.dropout > 0 else None,
        other_recovery_paths=other_recovery_paths(state.model, state.train),
        rounding=_rounding(state),
        entropy=state.entropy,
    )


def _rounding(state: RunState) -> float:
    """The margin that rounding may bridge, where training sums up in another order than a census
    does; 0 where both give the same to the last bit."""
    has_single = state.batch == 1 or state.images % state.batch == 1
    bitwise = state.origin.engine == "tensorflow" and state.origin.device.startswith("CPU")
    return 0.0 if bitwise and not has_single else ROUNDING[state.origin.precision]
