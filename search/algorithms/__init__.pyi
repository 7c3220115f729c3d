"""What other folders may use; the rest is private by convention."""

from .pruners import (
    make_pruner as make_pruner,
)
from .samplers import (
    make_sampler as make_sampler,
    plain_sampler as plain_sampler,
    quasi_random_sampler as quasi_random_sampler,
    run_seed as run_seed,
    trial_seeds as trial_seeds,
)
from .terminator import (
    STOPPED as STOPPED,
    ExpectedGain as ExpectedGain,
    check_stop_when as check_stop_when,
    expected_gain as expected_gain,
    stop_sentence as stop_sentence,
)
