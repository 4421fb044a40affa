"""Where a tower runs, and in which arithmetic."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from sightsound.config import setting
from sightsound.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")
ON_CPU = ("fp32", "int8")
ON_GPU = ("fp32", "fp16", "bf16")


def device_for(wanted: str) -> str:
    """cpu, cuda or mps. Raises ConfigError for one that is not here."""
    name = wanted.partition(":")[0]
    if name not in DEVICES:
        raise ConfigError(f"There is no device '{wanted}'; there are: {', '.join(DEVICES)}")
    if name == "cpu":
        return "cpu"
    found = _gpu()
    if name == "auto":
        return found
    if name != found:
        raise ConfigError(f"This machine has no {name} that torch can use; see its own advice, or take --device cpu")
    return wanted


def precision_of_queries() -> str:
    """Of queries on the CPU, whatever documents have on a GPU."""
    return "int8" if setting("precision") == "int8" else "fp32"


def precision_on(device: str) -> str:
    """fp32, fp16, bf16 or int8, by the setting. Raises ConfigError for what the device can't do."""
    wanted = setting("precision")
    on_gpu = device != "cpu"
    if wanted == "auto":
        return _own(device) if on_gpu else "fp32"
    able = ON_GPU if on_gpu else ON_CPU
    if wanted not in able:
        raise ConfigError(f"The precision '{wanted}' is none that {device} has here; there are: {', '.join(able)}")
    return wanted


def _own(device: str) -> str:
    import torch

    return "bf16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "fp16"


@cache
def _gpu() -> str:
    """The device that torch finds; torch is only asked where there may be one, since it takes seconds to import."""
    nvidia = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or Path("/dev/kfd").exists()
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    if not nvidia and not apple:
        return "cpu"
    try:
        import torch
    except ImportError:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if apple and torch.backends.mps.is_available() else "cpu"
