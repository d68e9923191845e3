"""What the NVIDIA driver and its devices complain of, in words that help."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dualwatch.core.text import clean

if TYPE_CHECKING:
    from types import ModuleType


def is_lost(nvml: ModuleType, error: Any) -> bool:
    """Whether an error says that a device is gone."""
    return error.value in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED)


def of_loss(nvml: ModuleType, error: Any) -> str:
    """A device that is gone, as one of its errors."""
    if error.value == nvml.NVML_ERROR_RESET_REQUIRED:
        return "lost: it must be reset before it can be used again"
    return "lost: it has fallen off the bus or does not answer the driver any more"


def of_access(nvml: ModuleType, error: Any) -> tuple[str, ...]:
    """A device that the driver counts but does not open, as its errors."""
    if is_lost(nvml, error):
        return (of_loss(nvml, error),)
    if error.value in (nvml.NVML_ERROR_NO_PERMISSION, nvml.NVML_ERROR_NOT_SUPPORTED):
        return ()  # that says something of us, not of the device
    return (f"the driver cannot open it: {clean(str(error), 200)}",)


def of_memory(
    nvml: ModuleType, handle: Any, put: Callable[[Callable[[], Any]], Any]
) -> tuple[str, ...]:
    """Memory faults of a device; what it does not report is not a fault.

    Args:
        put: Puts a question to the driver; gives None where that is not supported.
    """
    errors: list[str] = []
    kinds = (nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC)
    uncorrected = put(partial(nvml.nvmlDeviceGetTotalEccErrors, handle, *kinds))
    if uncorrected:
        errors.append(f"ECC: {uncorrected} uncorrected memory errors since the driver was loaded")
    if put(partial(nvml.nvmlDeviceGetRetiredPagesPendingStatus, handle)):
        errors.append("memory pages wait to be retired: the device must be reset")
    rows = put(partial(nvml.nvmlDeviceGetRemappedRows, handle))
    if rows is not None and rows[3]:
        errors.append("a faulty row of memory could not be remapped: the device must be replaced")
    return tuple(errors)


def explain(nvml: ModuleType, error: Any) -> str:
    """Why NVML as a whole does not work."""
    if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return "no NVIDIA driver: its library (libnvidia-ml.so.1, nvml.dll) is not on this machine"
    if error.value == nvml.NVML_ERROR_DRIVER_NOT_LOADED:
        return "the NVIDIA driver is installed but not loaded"
    if error.value == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return (
            "driver/library version mismatch: the driver was updated under the running system; "
            "reboot, or reload its kernel modules"
        )
    if is_lost(nvml, error):
        return "GPU is lost: it does not answer the driver any more"
    return f"NVML: {error}"
