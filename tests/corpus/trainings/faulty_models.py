"""Models: a healthy one, and one for each fault of a step."""

import ctypes
import time
import traceback

import torch
from faulty_datasets import _leave_little_memory
from faulty_transforms import wait_uninterruptibly
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.registry import MODELS

# --- healthy --------------------------------------------------------------------------------


@MODELS.register_module()
class Line(BaseModel):
    """One weight; ``loss_macl`` comes of paired batches.

    Args:
        pause: Seconds that every step takes.
        at: Step at which the fault of a subclass begins.
    """

    def __init__(self, pause=0.0, at=10):
        super().__init__()
        self.weight = torch.nn.Linear(1, 1)
        self.pause, self.at = pause, at
        self.step = 0

    def forward(self, inputs, target, mode="tensor", **_):
        out = self.weight(inputs["visible"])
        if mode != "loss":
            return [torch.abs(out - target).mean()]
        self.step += 1
        time.sleep(self.pause)
        if self.step >= self.at:
            self.fault()
        losses = {"loss_cls": torch.nn.functional.mse_loss(out, target)}
        contrast = self.contrast(out, inputs)
        if contrast is not None:
            losses["loss_macl"] = contrast
        return self.spoil(losses) if self.step >= self.at else losses

    def contrast(self, out, inputs):
        """The loss between the modalities; None without a second one."""
        if "infrared" not in inputs:
            return None
        return 0.1 * torch.abs(out - self.weight(inputs["infrared"])).mean()

    def fault(self):
        """What happens at a faulty step: nothing."""

    def spoil(self, losses):
        """What a faulty step makes of the losses: nothing."""
        return losses


@MODELS.register_module()
class LongFirstStep(Line):
    """Tunes its kernels for ``seconds`` in the first step."""

    def __init__(self, seconds=5.0, **kwargs):
        super().__init__(at=1, **kwargs)
        self.seconds = seconds

    def fault(self):
        end = time.monotonic() + (self.seconds if self.step == 1 else 0)
        while time.monotonic() < end:
            pass


# --- steps that do not end ----------------------------------------------------------------------


@MODELS.register_module()
class LoopsInForward(Line):
    """A loop that never meets its condition."""

    def fault(self):
        count = 0
        while True:
            count += 1


@MODELS.register_module()
class SleepsInForward(Line):
    """Waits for a service that does not answer."""

    def fault(self):
        while True:
            time.sleep(60)


@MODELS.register_module()
class HoldsTheGil(Line):
    """Native code waits for ever and lets no Python code run meanwhile, of no thread."""

    def fault(self):
        library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
        library.pthread_mutex_lock(mutex)
        library.pthread_mutex_lock(mutex)


@MODELS.register_module()
class NeverLoads(Line):
    """Waits for ever for its weights."""

    def _load_from_state_dict(self, *args, **kwargs):
        while True:
            time.sleep(60)


@MODELS.register_module()
class StuckInTheKernelInForward(Line):
    """Waits in the kernel, uninterruptibly."""

    def fault(self):
        wait_uninterruptibly()


# --- steps that fail ----------------------------------------------------------------------------


@MODELS.register_module()
class RaisesInForward(Line):
    """An error of the user's own code."""

    def fault(self):
        raise ValueError("the anchors do not fit the boxes")


@MODELS.register_module()
class LabelBeyondTheClasses(Line):
    """A class that the head has no output for."""

    def fault(self):
        scores = self.weight(torch.zeros(4, 1)).expand(4, 5)
        torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1, 5, 2]))


@MODELS.register_module()
class OutOfCudaMemory(Line):
    """What torch says when the device is full."""

    def fault(self):
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.78 "
            "GiB of which 1.04 GiB is free."
        )


@MODELS.register_module()
class LosesTheGpu(Line):
    """What the driver says when the device is gone."""

    def fault(self):
        raise RuntimeError(
            "Unable to determine the device handle for GPU 0000:01:00.0: Unknown Error"
        )


@MODELS.register_module()
class OutOfHostMemory(Line):
    """A tensor for which the machine has no memory."""

    def fault(self):
        _leave_little_memory()
        torch.zeros(1 << 30)


@MODELS.register_module()
class PrintsATick(Line):
    """Prints a character that not every console can show."""

    def fault(self):
        print("\u2713 step done", flush=True)


# --- losses that are wrong ----------------------------------------------------------------------


@MODELS.register_module()
class LossBecomes(Line):
    """All losses become a value: "nan" or "inf"."""

    def __init__(self, value, **kwargs):
        super().__init__(**kwargs)
        self.value = float(value)

    def spoil(self, losses):
        return {name: loss * 0 + self.value for name, loss in losses.items()}


@MODELS.register_module()
class MaclTooHigh(Line):
    """A contrast far beyond what the checklist allows."""

    def contrast(self, out, inputs):
        return super().contrast(out, inputs) * 0 + 7.5


@MODELS.register_module()
class MaclStands(Line):
    """A contrast that is computed and never learnt from."""

    def contrast(self, out, inputs):
        return super().contrast(out, inputs) * 0 + 0.9


@MODELS.register_module()
class SteepLoss(Line):
    """Gradients that explode, or spike once."""

    def __init__(self, once=False, **kwargs):
        super().__init__(**kwargs)
        self.once = once

    def spoil(self, losses):
        factor = 1.0 if self.once and self.step > self.at else 500.0
        return {name: loss * factor for name, loss in losses.items()}


@MODELS.register_module()
class ForgetsMacl(Line):
    """Never computes the loss, although the batches are paired."""

    def contrast(self, out, inputs):
        return None


@MODELS.register_module()
class StopsMacl(Line):
    """Stops to compute the loss without a word."""

    def spoil(self, losses):
        del losses["loss_macl"]
        return losses


class _Swallows(Line):
    """Catches the error of its own contrast; ``at`` is its first faulty step."""

    def __init__(self, at=1, **kwargs):
        super().__init__(at=at, **kwargs)

    def contrast(self, out, inputs):
        if self.step < self.at:
            return super().contrast(out, inputs)
        try:
            return (torch.rand(4, 3) @ torch.rand(4, 3)).mean()
        except RuntimeError as error:
            self.tell(error)
            return None


@MODELS.register_module()
class PrintsItsError(_Swallows):
    """One printed line."""

    def tell(self, error):
        print(f"[MACL] Error computing the contrastive loss: {error}", flush=True)


@MODELS.register_module()
class PrintsItsTraceback(_Swallows):
    """The whole traceback."""

    def tell(self, error):
        traceback.print_exception(type(error), error, error.__traceback__)


@MODELS.register_module()
class LogsItsError(_Swallows):
    """A warning of the logger."""

    def tell(self, error):
        MMLogger.get_current_instance().warning(f"MACL loss skipped: {error}")


@MODELS.register_module()
class SaysNothingOfItsError(_Swallows):
    """Not a word."""

    def tell(self, error):
        pass


@MODELS.register_module()
class PrintsItsErrorLate(_Swallows):
    """Printed lines that stay in the buffer until it is full."""

    def tell(self, error):
        print(f"[WARNING] Failed to compute MACL loss: {error}")


@MODELS.register_module()
class ForgetsMaclAmongLookups(Line):
    """Returns no such loss, and asks for optional things as sound code does."""

    def contrast(self, out, inputs):
        try:
            inputs["depth"]
        except KeyError:
            inputs = {**inputs, "depth": None}
        hasattr(self, "no_such_head")
        return super().contrast(out, inputs)

    def forward(self, *args, **kwargs):
        losses = super().forward(*args, **kwargs)
        if isinstance(losses, dict):
            losses.pop("loss_macl", None)
        return losses


@MODELS.register_module()
class HarmlessWarnings(Line):
    """Prints errors that it caught and dealt with; nothing is missing."""

    def fault(self):
        try:
            int("seven")
        except ValueError as error:
            print(f"WARNING: caught {type(error).__name__}: {error}; using 7", flush=True)


# --- several ranks ------------------------------------------------------------------------------


@MODELS.register_module()
class AveragesGradients(Line):
    """Averages its gradients over the ranks, as DistributedDataParallel does."""

    def train_step(self, data, optim_wrapper):
        losses = self._run_forward(self.data_preprocessor(data, True), mode="loss")
        loss, logged = self.parse_losses(losses)
        loss.backward()
        for weight in self.parameters():
            torch.distributed.all_reduce(weight.grad)
            weight.grad /= torch.distributed.get_world_size()
        optim_wrapper.step()
        optim_wrapper.zero_grad()
        return logged


@MODELS.register_module()
class OneRankSleeps(AveragesGradients):
    """Rank 1 waits for something else while the others want to average."""

    def fault(self):
        while torch.distributed.get_rank() == 1:
            time.sleep(60)


@MODELS.register_module()
class SkipsWithoutBoxes(AveragesGradients):
    """A rank whose images are without boxes has no loss and skips the backward pass.

    Args:
        zero: It has a loss times 0 instead, which is right.
    """

    def __init__(self, zero=False, **kwargs):
        super().__init__(**kwargs)
        self.zero = zero

    def train_step(self, data, optim_wrapper):
        if len(data["boxes"]) or self.zero:
            return super().train_step(data, optim_wrapper)
        return {}


@MODELS.register_module()
class OneRankFails(AveragesGradients):
    """Rank 1 raises an error of its own, and the others lose their connection to it."""

    def fault(self):
        if torch.distributed.get_rank() == 1:
            raise ValueError("the anchors do not fit the boxes")
