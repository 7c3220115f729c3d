"""What other folders may use; the rest is private by convention."""

from . import (
    keras_callback as keras_callback,
)
from .activity import (
    count_layer as count_layer,
    count_output as count_output,
)
from .census import (
    Census as Census,
)
from .diagnose import (
    ZERO_GRAD_IMAGES as ZERO_GRAD_IMAGES,
    Diagnosis as Diagnosis,
    Kind as Kind,
    diagnose_stuck as diagnose_stuck,
    diverged as diverged,
    exploded as exploded,
    is_enough as is_enough,
    living as living,
)
from .evidence import (
    Evidence as Evidence,
    Moment as Moment,
    VitalSigns as VitalSigns,
)
from .frozen_losses import (
    LOSS_CEILING as LOSS_CEILING,
    explain as explain,
    frozen_loss as frozen_loss,
    label_entropy as label_entropy,
)
from .tally import (
    SATURATED_BEYOND as SATURATED_BEYOND,
    ActivityTally as ActivityTally,
    LayerCount as LayerCount,
    OutputCount as OutputCount,
)
