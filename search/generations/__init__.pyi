"""What other folders may use; the rest is private by convention."""

from .plan import (
    has_finals as has_finals,
    plan as plan,
    race_is_over as race_is_over,
    race_reserve as race_reserve,
)
from .proposals import (
    check_feasible as check_feasible,
    filled_in as filled_in,
)
from .race import (
    seeds_to_decide as seeds_to_decide,
)
from .run_times import (
    RACE_TIME_SHARE as RACE_TIME_SHARE,
    UNTRIED as UNTRIED,
    RunTimes as RunTimes,
)
from .warm_start import (
    WarmStart as WarmStart,
    begun_from as begun_from,
    check_begun_from as check_begun_from,
)
