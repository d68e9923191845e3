"""Waits for something outside of the training: a build, a download, a worker's end, a logger."""

import multiprocessing.util
import os
import sys
import tempfile
import time

import torch
from faulty_datasets import Numbers
from faulty_hooks import MeanError
from faulty_models import Line
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from torch.utils.data import get_worker_info

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


@DATASETS.register_module()
class EndsLate(Numbers):
    """Its workers write something out at their end, which takes ``ending`` seconds."""

    def __init__(self, ending=10.0**6, limit=10.0**6, **kwargs):
        super().__init__(**kwargs)
        self.ending = ending
        # Older versions of torch wait for the end of a worker without a limit of time.
        torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = limit

    def __getitem__(self, index):
        if not self.registered and get_worker_info() is not None:
            self.registered = True
            multiprocessing.util.Finalize(None, time.sleep, (self.ending,), exitpriority=10)
        return super().__getitem__(index)

    registered = False


@HOOKS.register_module()
class WritesEvents(Hook):
    """Hands scalars to TensorBoard after each iteration.

    Args:
        dies: The thread that writes them ends in the fifth iteration.
        slow: Seconds that a slow disk takes for an event of the fifth iteration.
    """

    def __init__(self, dies=False, slow=0.0):
        self.dies, self.slow = dies, slow
        self.writer = None

    def before_train(self, runner):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(os.path.join(runner.work_dir, "events"))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 4 and (self.dies or self.slow):
            events = self.writer._get_file_writer().event_writer
            events._async_writer._writer.write = self._fail if self.dies else self._crawl
        for number in range(5):
            self.writer.add_scalar(f"train/{number}", runner.iter, runner.iter)

    def _fail(self, data):
        raise SystemExit  # No Exception, which newer versions hand over to the training.

    def _crawl(self, data):
        end, self.slow = time.monotonic() + self.slow, 0.0
        with tempfile.TemporaryFile() as stream:
            while time.monotonic() < end:
                stream.seek(0)
                stream.write(os.urandom(1 << 20))
                stream.flush()
                time.sleep(0.1)


if __name__ == "__main__":
    build(sys.argv[1], float(sys.argv[2]))
