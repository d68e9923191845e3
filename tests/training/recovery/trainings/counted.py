"""A small real training whose samples are numbered, with datasets that hang as they are told."""

import os
import time

import torch
from hangs import Crossed, Cycle, Endless, Hang, HeldAtFork, Killed, Rare
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATA_SAMPLERS, DATASETS, FUNCTIONS, METRICS, MODELS
from torch.utils.data import BatchSampler, Dataset


@MODELS.register_module()
class Curve(BaseModel):
    """Learns a curve; what it becomes depends on the order of the samples.

    Args:
        dropout: Of its hidden layer: makes it depend on the random state as well.
        pause: Seconds that every training call takes.
    """

    def __init__(self, dropout=0.0, pause=0.0):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(1, 16),
            torch.nn.Tanh(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(16, 1),
        )
        self.pause = pause

    def forward(self, x, y, id, mode="tensor"):
        if isinstance(x, list):
            x, y = torch.stack(x), torch.stack(y)
        out = self.layers(x)
        if mode != "loss":
            return [torch.abs(out - y).mean()]
        time.sleep(self.pause)
        return {"loss": torch.nn.functional.mse_loss(out, y)}


@METRICS.register_module()
class CurveError(BaseMetric):
    """Mean error."""

    default_prefix = "curve"

    def process(self, data_batch, data_samples):
        self.results += [float(sample) for sample in data_samples]

    def compute_metrics(self, results):
        return {"error": sum(results) / len(results)}


FAULTS = {
    "held at fork": HeldAtFork,
    "rare": Rare,
    "cycle": Cycle,
    "crossed": Crossed,
    "killed": Killed,
    "endless": Endless,
}


@DATASETS.register_module()
class Counted(Dataset):
    """Points of a curve, each with its number.

    Args:
        length: Number of samples.
        hangs: Arguments of ``Hang``, for each fault.
        signs: Folder where hangs are counted.
        start_method: See ``Hang``.
        load: Seconds that loading a sample takes, until there is a file ``enough``.
        faults: Name and arguments of the further ones, as in ``FAULTS``.
    """

    def __init__(
        self, length=32, hangs=(), signs=None, start_method="fork", load=0.0, enough="", faults=None
    ):
        self.length, self.load, self.enough = length, load, enough
        self.hangs = [Hang(**hang, signs=signs, start_method=start_method) for hang in hangs]
        self.hangs += [FAULTS[name](**given) for name, given in (faults or {}).items()]

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if self.load and not os.path.exists(self.enough):
            time.sleep(self.load)
        for hang in self.hangs:
            hang.meet(index)
        x = torch.tensor([index / self.length])
        return {"x": x, "y": torch.sin(6 * x), "id": index}

    def get_data_info(self, index):
        """As MMDetection's datasets: every third picture is upright."""
        upright = index % 3 == 0
        return {"width": 3 + upright, "height": 4 - upright, "img_path": f"images/{index:04}.png"}


@DATA_SAMPLERS.register_module()
class SortedBatches(BatchSampler):
    """A batch sampler of the user's own: sorts four batches at a time by their index."""

    def __iter__(self):
        window = []
        for index in self.sampler:
            window.append(index)
            if len(window) == 4 * self.batch_size:
                yield from self._batches(window)
                window = []
        yield from self._batches(window)

    def _batches(self, window):
        window = sorted(window)
        for start in range(0, len(window), self.batch_size):
            yield window[start : start + self.batch_size]


@FUNCTIONS.register_module()
def lists(samples):
    """A collate function of the user's own: nothing is stacked."""
    return {key: [sample[key] for sample in samples] for key in samples[0]}
