"""What other folders may use; the rest is private by convention."""

from . import (
    budgets as budgets,
    history as history,
    optuna_plots as optuna_plots,
    pareto as pareto,
    slices as slices,
)
from .marks import (
    hyperparameters as hyperparameters,
)
from .theme import (
    BLUE as BLUE,
    GREEN as GREEN,
    GREY as GREY,
    MARKS_EXPLAINED as MARKS_EXPLAINED,
    NEUTRAL_TEMPLATE as NEUTRAL_TEMPLATE,
    ON_DARK as ON_DARK,
    ORANGE as ORANGE,
    PALETTE as PALETTE,
    PURPLE as PURPLE,
    SCALE as SCALE,
    SKY as SKY,
    TEMPLATES as TEMPLATES,
    epoch_axis as epoch_axis,
    styled as styled,
)
from .trial_frame import (
    ended_trials as ended_trials,
    escaped as escaped,
    first_runs as first_runs,
    last_value as last_value,
    parameters as parameters,
    trial_span as trial_span,
    trial_table as trial_table,
)
