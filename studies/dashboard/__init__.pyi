"""What other folders may use; the rest is private by convention."""

from .server import (
    serve as serve,
)
