"""What other folders may use; the rest is private by convention."""

from .best_config import (
    export as export,
)
from .heartbeats import (
    HeartbeatListener as HeartbeatListener,
    sending_heartbeats as sending_heartbeats,
    stale_by_database_clock as stale_by_database_clock,
)
from .lost_trials import (
    fail_lost_trials as fail_lost_trials,
    fail_trials_of_process as fail_trials_of_process,
)
from .migrate import (
    copy_study as copy_study,
)
from .pareto import (
    fronts as fronts,
    point as point,
    standard_error as standard_error,
)
from .process_identity import (
    ProcessIdentity as ProcessIdentity,
    process_is_elsewhere as process_is_elsewhere,
    process_is_gone as process_is_gone,
    this_process as this_process,
)
from .runs import (
    EndedRun as EndedRun,
    PlannedRun as PlannedRun,
    RunKey as RunKey,
    ended_runs as ended_runs,
    epochs_in_words as epochs_in_words,
    key_of as key_of,
    run_in_words as run_in_words,
)
from .standings import (
    EQUAL as EQUAL,
    FEWEST_SEEDS as FEWEST_SEEDS,
    SEEDS_OF_EQUALS as SEEDS_OF_EQUALS,
    Standing as Standing,
    by_configuration as by_configuration,
    contenders as contenders,
    is_decided as is_decided,
    measures as measures,
    standings as standings,
)
from .study import (
    as_begun as as_begun,
    check_data as check_data,
    is_begun as is_begun,
    load_study as load_study,
    open_study as open_study,
)
from .trial_record import (
    Role as Role,
    TrialRecord as TrialRecord,
)
from .trials import (
    TrialCounts as TrialCounts,
    all_failed_to_retry as all_failed_to_retry,
    best_trials as best_trials,
    count_trials as count_trials,
    ending as ending,
    failed_to_retry as failed_to_retry,
    failure as failure,
    is_finished as is_finished,
    is_lost as is_lost,
    lost_to_retry as lost_to_retry,
    next_ordinal as next_ordinal,
    objective_value as objective_value,
    ordinals as ordinals,
)
from .winner import (
    STANDING_COLUMNS as STANDING_COLUMNS,
    Winner as Winner,
    budgeted_preset as budgeted_preset,
    front_in_words as front_in_words,
    further_columns as further_columns,
    further_figures as further_figures,
    infeasible_in_words as infeasible_in_words,
    interval_in_words as interval_in_words,
    measure_in_words as measure_in_words,
    probability_in_words as probability_in_words,
    searched_names as searched_names,
    seeds_in_words as seeds_in_words,
    standing_figures as standing_figures,
    winner as winner,
    winner_of as winner_of,
)
