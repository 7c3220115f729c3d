"""What other folders may use; the rest is private by convention."""

from .connection import (
    open_read_only as open_read_only,
    open_storage as open_storage,
    sqlite_file as sqlite_file,
)
from .errors import (
    StorageError as StorageError,
    storage_errors_explained as storage_errors_explained,
)
from .optuna_internals import (
    FIXED_PARAMS as FIXED_PARAMS,
    GRID_ID as GRID_ID,
    RELATIVE_PARAMS as RELATIVE_PARAMS,
    RUNG_PREFIX as RUNG_PREFIX,
    fields_without_id as fields_without_id,
    set_study_system_attr as set_study_system_attr,
    stale_trial_ids as stale_trial_ids,
    storage_of as storage_of,
    study_id as study_id,
    study_system_attrs as study_system_attrs,
    trial_id as trial_id,
)
from .rdb import (
    backend as backend,
)
from .transactions import (
    lock_trial as lock_trial,
    study_lock as study_lock,
    transaction as transaction,
)
from .url import (
    has_password as has_password,
    without_password as without_password,
)
