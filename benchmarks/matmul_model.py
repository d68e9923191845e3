"""A model that computes: a real load for one core, imported by ``overhead_cfg.py``."""

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS


@MODELS.register_module()
class MatmulModel(BaseModel):
    """Multiplies square matrices before it learns its one weight.

    Args:
        size: Rows and columns of the matrices.
        repeats: Multiplications in each training call.
        pause: Taken, so that one command line fits both models, and not used.
    """

    def __init__(self, size=512, repeats=8, pause=0.0):
        super().__init__()
        self.weight = torch.nn.Linear(1, 1)
        self.repeats = repeats
        self.register_buffer("load", torch.eye(size))

    def forward(self, x, y, mode="tensor"):
        out = self.weight(x)
        if mode != "loss":
            return [torch.abs(out - y).mean()]
        product = self.load
        with torch.no_grad():
            for _ in range(self.repeats):
                product = product @ self.load
        loss = torch.nn.functional.mse_loss(out, y)
        return {"loss_cls": loss, "loss_macl": loss * 0.5}
