"""The tiny training with a TensorBoard backend that keeps no event back for two minutes."""

import os
import sys

from mmengine.registry import VISBACKENDS
from mmengine.visualization import TensorboardVisBackend

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tiny


@VISBACKENDS.register_module()
class PromptTensorboardVisBackend(TensorboardVisBackend):
    """Writes at once, so that a test need not wait."""

    def add_scalars(self, scalar_dict, step=0, file_path=None, **kwargs):
        super().add_scalars(scalar_dict, step, file_path, **kwargs)
        self._tensorboard.flush()


if __name__ == "__main__":
    tiny.main()
