"""What other folders may use; the rest is private by convention."""

from .defaults import (
    DEFAULT_SEED as DEFAULT_SEED,
)
from .dimension import (
    Dimension as Dimension,
)
from .files import (
    load_preset as load_preset,
    parse_preset as parse_preset,
    study_name as study_name,
)
from .objective import (
    MEASURES as MEASURES,
    UNITS as UNITS,
    ExportRule as ExportRule,
    Measure as Measure,
    ObjectiveConfig as ObjectiveConfig,
)
from .preset import (
    Preset as Preset,
)
from .prior import (
    SPREAD as SPREAD,
)
from .search_space import (
    configurations as configurations,
    distributions as distributions,
    grid as grid,
    grid_size as grid_size,
    stored_choice as stored_choice,
    stored_params as stored_params,
    suggest as suggest,
)
from .sections import (
    Arm as Arm,
)
