"""What other folders may use; the rest is private by convention."""

from .engines import (
    EngineLoader as EngineLoader,
    chosen_engine as chosen_engine,
    loader as loader,
)
from .job import (
    SearchJob as SearchJob,
)
from .local_pool import (
    WorkerSpec as WorkerSpec,
    auto_workers as auto_workers,
    thread_settings as thread_settings,
    threads_each as threads_each,
    worker_command as worker_command,
)
from .paired_runs import (
    COMPARISON_KEY as COMPARISON_KEY,
    PairedComparison as PairedComparison,
    PairedRun as PairedRun,
    evaluate_runs as evaluate_runs,
    leaky_of as leaky_of,
    read_test_scores as read_test_scores,
    run_of as run_of,
    runs_done as runs_done,
    train_leaky as train_leaky,
    train_runs as train_runs,
)
from .runner import (
    job_as_begun as job_as_begun,
    run_search as run_search,
)
from .time_limit import (
    TimeLimit as TimeLimit,
    parse_timeout as parse_timeout,
)
