"""What other folders may use; the rest is private by convention."""

from .commands import (
    Command as Command,
    Wording as Wording,
    as_python as as_python,
)
from .summary import (
    duration_in_words as duration_in_words,
    summarize as summarize,
)
from .write import (
    write_report as write_report,
)
