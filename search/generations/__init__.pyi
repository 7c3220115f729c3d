"""What other folders may use; the rest is private by convention."""

from .plan import (
    plan as plan,
)
from .proposals import (
    check_feasible as check_feasible,
    filled_in as filled_in,
)
from .race import (
    seeds_to_decide as seeds_to_decide,
)
from .warm_start import (
    WarmStart as WarmStart,
    begun_from as begun_from,
    check_begun_from as check_begun_from,
)
