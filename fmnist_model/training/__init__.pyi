"""What other folders may use; the rest is private by convention."""

from .checkpoint import (
    Checkpoint as Checkpoint,
    CheckpointError as CheckpointError,
    NetworkState as NetworkState,
    load as load,
    save as save,
)
from .engine_protocol import (
    Engine as Engine,
    Latency as Latency,
    LatencyEngine as LatencyEngine,
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
from .run_counts import (
    EpochMetrics as EpochMetrics,
)
