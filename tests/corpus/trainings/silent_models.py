"""A model of three parts that trains, and one for each fault of which no line shows anything."""

import torch
from faulty_models import Line
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS


class Backbone(torch.nn.Module):
    """A layer and its norm, which can be frozen as detectors do it."""

    def __init__(self, frozen=False, norm_eval=False):
        super().__init__()
        self.stem = torch.nn.Linear(1, 8)
        self.norm = torch.nn.BatchNorm1d(8)
        self.frozen, self.norm_eval = frozen, norm_eval
        self.requires_grad_(not frozen)

    def forward(self, x):
        return self.norm(self.stem(x))

    def train(self, mode=True):
        super().train(mode and not self.frozen)
        if self.norm_eval:
            self.norm.eval()
        return self


@MODELS.register_module()
class Parts(Line):
    """Backbone, neck and head.

    Args:
        constant: A further loss that is the same at every step.
    """

    def __init__(self, frozen=False, norm_eval=False, constant=None, **kwargs):
        super().__init__(**kwargs)
        del self.weight  # The one of a line.
        self.backbone = Backbone(frozen, norm_eval)
        self.neck = torch.nn.Linear(8, 8)
        self.head = torch.nn.Linear(8, 1)
        self.constant = constant

    def weight(self, x):
        return self.head(self.neck(self.features(x)))

    def features(self, x):
        return self.backbone(x)

    def contrast(self, out, inputs):
        return None

    def spoil(self, losses):
        if self.constant is not None:
            losses["loss_fixed"] = losses["loss_cls"] * 0 + self.constant
        return losses


@MODELS.register_module()
class DetachesItsBackbone(Parts):
    """No gradient reaches the backbone."""

    def features(self, x):
        return self.backbone(x).detach()


@MODELS.register_module()
class StaysInEval(Parts):
    """The backbone is put into eval mode, and nobody puts it back."""

    def __init__(self, **kwargs):
        super().__init__(at=1, **kwargs)

    def fault(self):
        self.backbone.eval()


@MODELS.register_module()
class ForgetsItsNeck(Parts):
    """The neck is built and never called."""

    def weight(self, x):
        return self.head(self.features(x))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LeavesOutTheNeck(DefaultOptimWrapperConstructor):
    """An optimizer of the parameters of some parts only."""

    def __call__(self, model):
        return super().__call__(torch.nn.ModuleList([model.backbone, model.head]))


@OPTIM_WRAPPERS.register_module()
class NeverClears(OptimWrapper):
    """Gradients are never cleared."""

    def zero_grad(self, **kwargs):
        pass
