"""What other folders may use; the rest is private by convention."""

from .arms import (
    comparison as comparison,
)
from .run import (
    compare as compare,
)
from .write import (
    write_paper as write_paper,
)
