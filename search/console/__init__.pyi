"""What other folders may use; the rest is private by convention."""

from .next_commands import (
    hidden_note as hidden_note,
    make_command as make_command,
)
from .progress import (
    Progress as Progress,
    print_end as print_end,
    print_next_steps as print_next_steps,
    print_status as print_status,
)
from .remedies import (
    SEARCH_REMEDIES as SEARCH_REMEDIES,
)
