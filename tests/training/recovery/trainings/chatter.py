"""Prints a lot, as users' own code does."""

import sys

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Chatter(Hook):
    """Prints lines and a progress bar in every iteration.

    Args:
        lines: So many.
    """

    def __init__(self, lines=20):
        self.lines = lines

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        for number in range(self.lines):
            print(f"debug: iteration {runner.iter} part {number}: {outputs}")
            sys.stderr.write(f"\rmatching anchors {number + 1}/{self.lines}")
        sys.stderr.write("\n")
