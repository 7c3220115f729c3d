"""What other folders may use; the rest is private by convention."""

from .atomic_write import (
    atomic_path as atomic_path,
    write_atomically as write_atomically,
)
from .cli import (
    PATHS as PATHS,
    make_default_folder as make_default_folder,
    new_app as new_app,
    run as run,
)
from .device import (
    device_name as device_name,
    jax_device_name as jax_device_name,
    nvidia_gpu_is_there as nvidia_gpu_is_there,
    resolve_jax_precision as resolve_jax_precision,
    resolve_precision as resolve_precision,
)
from .errors import (
    UserError as UserError,
    validation_sentence as validation_sentence,
)
from .native_log import (
    native_log_hidden as native_log_hidden,
)
from .package_versions import (
    versions as versions,
)
from .paths import (
    ProjectPaths as ProjectPaths,
)
from .remedies import (
    Remedy as Remedy,
)
