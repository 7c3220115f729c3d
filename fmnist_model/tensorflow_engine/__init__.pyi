"""What other folders may use; the rest is private by convention."""

from .engine import (
    TensorFlowEngine as TensorFlowEngine,
)
