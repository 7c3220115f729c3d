"""Which device an engine trains on, and in which precision it does so best."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from fmnist_model.config import Precision, RequestedPrecision

BF16_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
BF16_GPU_CAPABILITY = (8, 0)


def nvidia_gpu_is_there() -> bool:
    """Has this machine a GPU that TensorFlow could train on? Asked as the Makefile asks, because
    TensorFlow takes seconds to load."""
    if shutil.which("nvidia-smi") is None:
        return False
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return "GPU" in listed.stdout


def use_gpus_politely() -> list[str]:
    """Let GPU memory grow as needed instead of taking it all; return the GPUs' names."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # TensorFlow has started already, with whatever was set then
            break
    return [tf.config.experimental.get_device_details(g).get("device_name", g.name) for g in gpus]


def device_name() -> str:
    """The device TensorFlow trains on, for people: the GPU's name, or the CPU's model."""
    gpus = use_gpus_politely()
    return f"GPU ({gpus[0]})" if gpus else _cpu_name()


def resolve_precision(wanted: RequestedPrecision) -> Precision:
    """Turn "auto" into "bfloat16" where CPU or GPU computes in it natively, else "float32".

    Decided by the processor's flags, not by a timing: a timing could come out otherwise when a
    study is resumed. Without native support bfloat16 can be far slower than float32.
    """
    if wanted != "auto":
        return wanted
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        native = details.get("compute_capability", (0, 0)) >= BF16_GPU_CAPABILITY
    else:
        native = bool(BF16_CPU_FLAGS & set(_cpu_info("flags").split()))
    return "bfloat16" if native else "float32"


def jax_device_name() -> str:
    """The device JAX trains on, for people."""
    import jax

    device = jax.devices()[0]
    return _cpu_name() if device.platform == "cpu" else f"GPU ({device.device_kind})"


def resolve_jax_precision(wanted: RequestedPrecision) -> Precision:
    """The same for JAX, which on a CPU gains nothing from bfloat16."""
    if wanted != "auto":
        return wanted
    import jax

    capability = getattr(jax.devices()[0], "compute_capability", "0")
    native = tuple(map(int, capability.split("."))) >= BF16_GPU_CAPABILITY
    return "bfloat16" if native else "float32"


def _cpu_name() -> str:
    return f"CPU ({_cpu_info('model name') or 'unknown model'})"


def _cpu_info(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    values = (line.partition(":")[2].strip() for line in lines if line.startswith(key))
    return next(values, "")
