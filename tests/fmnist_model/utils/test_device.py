"""The device and its precision."""

from __future__ import annotations

from fmnist_model.utils import device


def test_a_precision_that_is_named_is_taken():
    assert device.resolve_precision("float32") == "float32"
    assert device.resolve_jax_precision("bfloat16") == "bfloat16"


def test_a_processor_computes_in_bfloat16_where_its_flags_say_so(monkeypatch):
    """Without a GPU, which TensorFlow is asked for."""
    flags = "fpu sse avx512_bf16"
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda _kind: [])
    monkeypatch.setattr(device, "_cpu_info", lambda _key: flags)
    assert device.resolve_precision("auto") == "bfloat16"
    flags = "fpu sse avx512_bf16x"
    assert device.resolve_precision("auto") == "float32"


def test_the_device_is_named():
    kind, name = device.device_name().split(" ", 1)
    assert kind in ("CPU", "GPU")
    assert name.startswith("(")
    assert name.endswith(")")
    assert device._cpu_info("no such key") == ""


def test_a_gpu_is_one_that_nvidia_smi_lists(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not device.nvidia_gpu_is_there()
    program = tmp_path / "nvidia-smi"
    for listed, there in (("GPU 0: an NVIDIA H100", True), ("No devices were found", False)):
        program.write_text(f"#!/bin/sh\necho '{listed}'\n")
        program.chmod(0o755)
        assert device.nvidia_gpu_is_there() is there
