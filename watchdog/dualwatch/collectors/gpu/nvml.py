"""Memory and use of NVIDIA devices, through NVML (the ``pynvml`` module of nvidia-ml-py).

What the driver does not say stays None. A broken driver may never answer a call, so every look
happens in a thread of its own that is waited for only for a while.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dualwatch.collectors.gpu import errors as gpu_errors
from dualwatch.collectors.gpu import holders as gpu_holders
from dualwatch.core.deadline import TimedCall
from dualwatch.core.text import clean
from dualwatch.events import GpuSample, GpusSampled, NotObserved

if TYPE_CHECKING:
    from types import ModuleType

RETRY_S = 180.0
"""Seconds until the driver is tried again after it could not be initialised."""

ANSWER_S = 3.0
"""Seconds that a look at all devices may take; a healthy one takes a few milliseconds."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Device:
    """A device whose handle and name are asked for once; ``errors`` is why it has no handle."""

    index: int
    handle: Any
    name: str
    errors: tuple[str, ...] = ()


class _Unavailable(Exception):
    """NVML as a whole cannot be used; says why."""


def _return_freed_memory() -> None:
    """Returns freed memory to the system.

    pynvml has 8,000 lines. Where its bytecode is not cached, compiling them leaves 16 MB of freed
    memory with the process for the whole run.
    """
    if sys.platform == "linux":
        # glibc's; other C libraries return memory themselves.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class NvmlSampler:
    """Reads all devices. NVML is loaded at the first sample, not before.

    Args:
        retry_s: Seconds between two attempts to initialise NVML.
        answer_s: Seconds to wait for the driver.
    """

    def __init__(self, *, retry_s: float = RETRY_S, answer_s: float = ANSWER_S) -> None:
        self._retry_s = retry_s
        self._answer_s = answer_s
        self._nvml: ModuleType | None = None
        self._devices: list[_Device] = []
        self._why = ""
        self._tried_at = 0.0
        self._call = TimedCall("gpus")

    def sample(self, tree_pids: set[int], at: float, wall: float) -> GpusSampled | NotObserved:
        """All devices now.

        Args:
            tree_pids: Processes of the training, to tell its memory from that of others.
            at, wall: Times of the event; ``at`` also paces the attempts to initialise.
        """
        if self._call.is_stuck:
            return _not_observed(at, wall, "the driver still does not answer an earlier question")
        try:
            return self._call(lambda: self._look(tree_pids, at, wall), self._answer_s)
        except TimeoutError:
            why = f"the driver did not answer within {self._answer_s:g} s"
            return _not_observed(at, wall, why)

    def close(self) -> None:
        """Lets go of NVML."""
        if self._nvml is not None and not self._call.is_stuck:
            self._shut_down()

    def _look(self, tree_pids: set[int], at: float, wall: float) -> GpusSampled | NotObserved:
        try:
            if self._nvml is None:
                self._initialise(at)
            return GpusSampled(
                at=at,
                wall=wall,
                gpus=tuple(self._read(device, tree_pids) for device in self._devices),
            )
        except _Unavailable as unavailable:
            return _not_observed(at, wall, str(unavailable))
        except Exception as error:  # a driver's surprise must not end the supervision
            return _not_observed(at, wall, f"reading NVML failed: {error!r}")

    def _initialise(self, at: float) -> None:
        """Loads NVML and lists the devices.

        Raises:
            _Unavailable: It cannot be, or could not lately.
        """
        if self._why and at - self._tried_at < self._retry_s:
            raise _Unavailable(self._why)
        self._tried_at = at
        self._why = "initialising NVML did not end"
        try:
            import pynvml
        except ImportError as error:
            self._why = f"nvidia-ml-py is not installed: {error}"
            raise _Unavailable(self._why) from error
        _return_freed_memory()
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self._why = gpu_errors.explain(pynvml, error)
            raise _Unavailable(self._why) from error
        self._nvml = pynvml
        try:
            count = int(pynvml.nvmlDeviceGetCount())
        except pynvml.NVMLError as error:
            self._give_up(gpu_errors.explain(pynvml, error))
        if count == 0:
            self._give_up("the NVIDIA driver is loaded but shows no device")
        self._devices = [self._find(index) for index in range(count)]
        self._why = ""

    def _give_up(self, why: str) -> None:
        self._shut_down()
        self._why = why
        raise _Unavailable(why)

    def _find(self, index: int) -> _Device:
        """Handle and name of a device; a lost one has none."""
        nvml = self._nvml
        assert nvml is not None
        handle: Any = None
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name = clean(str(nvml.nvmlDeviceGetName(handle)), 100)
        except nvml.NVMLError as error:
            errors = gpu_errors.of_access(nvml, error)
            lost = gpu_errors.is_lost(nvml, error)
            name = f"lost: GPU {index}" if lost else f"GPU {index} ({error})"
            # A handle without a name is as good as one with it.
            return _Device(index=index, handle=None if lost else handle, name=name, errors=errors)
        return _Device(index=index, handle=handle, name=name)

    def _read(self, device: _Device, tree_pids: set[int]) -> GpuSample:
        """One device; each value is read separately, since drivers refuse some and give others."""
        nvml = self._nvml
        assert nvml is not None
        if device.handle is None:
            return _silent(device, device.errors)
        try:
            memory = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(device.handle))
            rates = self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(device.handle))
            holders = gpu_holders.ask(nvml, device.handle, self._ask)
            errors = gpu_errors.of_memory(nvml, device.handle, self._ask)
        except _DeviceLost as lost:
            return _silent(device, (str(lost),))
        return GpuSample(
            index=device.index,
            name=device.name,
            used=None if memory is None else int(memory.used),
            total=None if memory is None else int(memory.total),
            tree=None if holders is None else gpu_holders.share(holders, tree_pids),
            utilisation=None if rates is None else int(rates.gpu),
            holders=() if holders is None else gpu_holders.describe(holders, tree_pids),
            errors=errors,
        )

    def _ask(self, question: Callable[[], _T]) -> _T | None:
        """An answer, None where the driver or the device does not support the question.

        Raises:
            _DeviceLost: The device is gone.
            _Unavailable: NVML as a whole does not work any more.
        """
        nvml = self._nvml
        assert nvml is not None
        try:
            return question()
        except nvml.NVMLError as error:
            if gpu_errors.is_lost(nvml, error):
                raise _DeviceLost(gpu_errors.of_loss(nvml, error)) from error
            if error.value in (nvml.NVML_ERROR_UNINITIALIZED, nvml.NVML_ERROR_DRIVER_NOT_LOADED):
                self._shut_down()
                raise _Unavailable(gpu_errors.explain(nvml, error)) from error
            return None

    def _shut_down(self) -> None:
        nvml, self._nvml, self._devices = self._nvml, None, []
        if nvml is not None:
            try:
                nvml.nvmlShutdown()
            except nvml.NVMLError:
                return  # it was not up any more


class _DeviceLost(Exception):
    """One device does not answer any more; says how."""


def _not_observed(at: float, wall: float, why: str) -> NotObserved:
    return NotObserved(at=at, wall=wall, what="gpu", why=why)


def _silent(device: _Device, errors: tuple[str, ...]) -> GpuSample:
    """A device that says nothing, and why."""
    prefixed = device.handle is None or device.name.startswith("lost: ")
    return GpuSample(
        index=device.index,
        name=device.name if prefixed else f"lost: {device.name}",
        used=None,
        total=None,
        tree=None,
        utilisation=None,
        errors=errors,
    )
