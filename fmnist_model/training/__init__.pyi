"""What other folders may use; the rest is private by convention."""

from .engine_protocol import (
    Engine as Engine,
    ParallelEngine as ParallelEngine,
    as_parallel as as_parallel,
)
from .inspection import (
    CHUNK as CHUNK,
    InspectableNetwork as InspectableNetwork,
    NamedWeight as NamedWeight,
)
from .protocol import (
    EvalRequest as EvalRequest,
    Reply as Reply,
    Request as Request,
    TrainReply as TrainReply,
    TrainRequest as TrainRequest,
)
from .results import (
    EpochMetrics as EpochMetrics,
    Origin as Origin,
    Report as Report,
    RunResult as RunResult,
    StopReason as StopReason,
    stop_reason_of as stop_reason_of,
)
from .run import (
    RunGenerator as RunGenerator,
    TrialRun as TrialRun,
)
