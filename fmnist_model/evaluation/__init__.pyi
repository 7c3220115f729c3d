"""What other folders may use; the rest is private by convention."""

from .exported_config import (
    read_exported_config as read_exported_config,
)
from .final_evaluation import (
    Network as Network,
    evaluate as evaluate,
    evaluate_networks as evaluate_networks,
    openings as openings,
    train_on_test as train_on_test,
)
from .metrics import (
    interval as interval,
)
from .prediction import (
    predict as predict,
    prepare as prepare,
)
from .summary import (
    print_evaluation as print_evaluation,
    with_interval as with_interval,
)
