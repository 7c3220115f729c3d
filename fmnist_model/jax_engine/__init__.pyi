"""What other folders may use; the rest is private by convention."""

from . import (
    backend as backend,
)
from .autotune import (
    Make as Make,
    Say as Say,
    choose as choose,
    recreate as recreate,
)
from .engine import (
    VectorizedEngine as VectorizedEngine,
)
from .layers import (
    Convolution as Convolution,
)
