"""When to check a run whose gradients are exactly zero. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class GradientMonitor:
    """Counts the steps in a row without a gradient, and says when they call for a check.

    The first check is due after `patience` such steps, and each further one after twice as many.
    Where a check finds the run alive, `patience` itself grows, so that a run whose gradients vanish
    now and then costs few checks. All is counted in steps. `next_check` begins as `patience`.
    """

    patience: int
    next_check: int = 0
    zero_grad_steps: int = 0

    def __post_init__(self) -> None:
        self.next_check = self.next_check or self.patience

    def after(self, steps: int, zero_grad_steps: int) -> None:
        """Take note of `steps` more steps, the last `zero_grad_steps` of all without a gradient."""
        if zero_grad_steps < self.zero_grad_steps + steps:  # there was a gradient in between
            self.next_check = self.patience
        self.zero_grad_steps = zero_grad_steps

    def check_due(self, last: bool) -> bool:
        """Is a check due? At the `last` step of a run it is, however few steps had no gradient."""
        return self.zero_grad_steps >= (1 if last else self.next_check)

    def record_check(self, dead: bool) -> None:
        """Take note of what a check has found."""
        self.next_check = 2 * max(self.zero_grad_steps, self.next_check)
        if not dead:
            self.patience = self.next_check
