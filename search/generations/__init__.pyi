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
