"""What other folders may use; the rest is private by convention."""

from . import (
    build as build,
    losses as losses,
)
from .build import (
    export_network as export_network,
    logits_network as logits_network,
)
from .losses import (
    cross_entropy as cross_entropy,
    probabilities as probabilities,
)
from .size import (
    parameters as parameters,
)
