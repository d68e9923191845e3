"""Waits for something outside of the training: a build, a download, a worker's end, a logger."""

import os
import sys
import time

import torch
from faulty_hooks import MeanError
from faulty_models import Line
from mmengine.registry import METRICS, MODELS

HERE = os.path.dirname(os.path.abspath(__file__))


@METRICS.register_module()
class BuildsAnOperator(MeanError):
    """Compiles an operator in C++ when it is first needed.

    Args:
        folder: Where it is built.
        compiling: Seconds that its compiler takes.
        behind: Another process builds it: its lock is waited for first.
    """

    def __init__(self, folder, compiling=0.0, behind=False, **kwargs):
        super().__init__(**kwargs)
        self.folder, self.compiling, self.behind = folder, compiling, behind

    def compute_metrics(self, results):
        build(self.folder, self.compiling, self.behind)
        self.behind = False
        return super().compute_metrics(results)


def build(folder, compiling=0.0, behind=False):
    """Builds the operator in a folder, or waits for the process that does."""
    from torch.utils import cpp_extension

    os.makedirs(folder, exist_ok=True)
    while behind and not os.path.exists(os.path.join(folder, "lock")):
        time.sleep(0.05)
    os.environ["PATH"] = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    if compiling:
        os.environ["CXX"] = os.path.join(HERE, "slow_compiler")
        os.environ["COMPILING"] = str(compiling)
    source = os.path.join(HERE, "operator.cpp")
    cpp_extension.load("tiny", [source], build_directory=folder, is_python_module=False)


@MODELS.register_module()
class DownloadsItsWeights(Line):
    """Downloads weights to begin with, from a server whose port is in a file of the folder."""

    def __init__(self, folder, **kwargs):
        super().__init__(**kwargs)
        port = os.path.join(folder, "port")
        while not os.path.exists(port):
            time.sleep(0.05)
        with open(port, encoding="ascii") as stream:
            address = f"http://127.0.0.1:{stream.read()}/weights.pth?token=secret"
        torch.hub.load_state_dict_from_url(address, model_dir=folder, progress=False)


if __name__ == "__main__":
    build(sys.argv[1], float(sys.argv[2]))
