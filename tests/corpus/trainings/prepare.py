"""Makes what must be in a work dir before a training: ``python prepare.py KIND WORK_DIR``."""

import os
import pathlib
import subprocess
import sys

import torch


class Note:
    """Something of the user's own in a checkpoint: code that torch will not load unasked."""


def _checkpoint(folder, content):
    path = os.path.join(folder, "epoch_1.pth")
    torch.save(content, path)
    with open(os.path.join(folder, "last_checkpoint"), "w") as stream:
        stream.write(path)
    return path


def foreign_class(folder):
    """A checkpoint of an earlier training that holds an object of the user's own class."""
    _checkpoint(folder, {"meta": {"epoch": 1, "iter": 8, "note": Note()}, "state_dict": {}})


def cut_checkpoint(folder):
    """A checkpoint whose second half was never written."""
    path = _checkpoint(folder, {"state_dict": {"weight": torch.rand(1000, 100)}})
    os.truncate(path, os.path.getsize(path) // 2)


def checkpoint_is_a_pipe(folder):
    """The checkpoint of the first epoch goes to a named pipe that nobody reads."""
    os.mkfifo(os.path.join(folder, "epoch_1.pth"))


def pretrained(folder):
    """Weights to begin with."""
    weights = {"weight.weight": torch.rand(1, 1), "weight.bias": torch.rand(1)}
    torch.save({"state_dict": weights}, os.path.join(folder, "pretrained.pth"))


def weights_of_another_model(folder):
    """Weights whose keys have a prefix that those of the model lack."""
    weights = {"backbone.weight.weight": torch.rand(1, 1), "backbone.weight.bias": torch.rand(1)}
    torch.save({"state_dict": weights}, os.path.join(folder, "pretrained.pth"))


def half_a_training(folder):
    """Two thirds of the training that is counted in iterations."""
    here = os.path.dirname(os.path.abspath(__file__))
    words = [os.path.join(here, "train.py"), os.path.join(here, "iterations_cfg.py")]
    words += ["--work-dir", folder, "--cfg-options", "train_cfg.max_iters=16"]
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def synthetic_pairs(folder):
    """The synthetic set of image pairs, beside the work dir."""
    data = os.path.join(os.path.dirname(folder), "data", "synthetic-llvip")
    subprocess.run(
        [sys.executable, "-m", "dualmacl.synthetic", data, "--pairs", "24", "--seed", "0"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return data


def a_pair_is_missing(folder):
    """The same without one of the infrared images."""
    data = pathlib.Path(synthetic_pairs(folder))
    next(iter(sorted(data.glob("infrared/train/*")))).unlink()


def killed_build(folder):
    """The lock of an extension build that was killed."""
    build = os.path.join(folder, "build")
    os.makedirs(build)
    open(os.path.join(build, "lock"), "w").close()


KINDS = (
    killed_build,
    foreign_class,
    cut_checkpoint,
    checkpoint_is_a_pipe,
    pretrained,
    weights_of_another_model,
    half_a_training,
    synthetic_pairs,
    a_pair_is_missing,
)

if __name__ == "__main__":
    kind, work_dir = sys.argv[1:]
    os.makedirs(work_dir, exist_ok=True)
    {function.__name__: function for function in KINDS}[kind](work_dir)
