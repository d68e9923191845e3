"""Rehearsals against faults: is each named before the start, and does a sound training pass?

Rehearses small trainings with one fault each (``dualwatch check --rehearse``), and sound twins,
and prints which items failed or warned. One of the fault's own items must be among them, and
nothing else may fail but its consequences. Exits with 1 where not.

The cases on the demo need its data (``python bootstrap.py demo`` makes it). Takes about 10 minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, say, table

TRAININGS = Path("tests/corpus/trainings").resolve()
TINY = TRAININGS / "tiny_cfg.py"
DEMO = Path("configs/demo/dualmacl_tiny_synthetic_2e.py").resolve()

TRAIN = "train_dataloader.dataset"
PAIRS = f"{TRAIN}.dataset"
"""Of the demo, whose data set is repeated."""
HEAD = "model.roi_head.bbox_head.num_classes"
PARTS = "model.type=Parts"
MACL = ("--require", "loss_macl")


@dataclass(frozen=True)
class Case:
    """One training.

    Attributes:
        options: Entries of its configuration that are changed.
        words: Further words of the command.
        named: Items of which one must not pass; none for a sound training, of which none may fail.
        tolerated: Items that may not pass as well: a fault has consequences.
        prepare: Function of ``prepare.py`` that makes files beforehand; their folder is FOLDER in
            the options.
    """

    name: str
    options: tuple[str, ...] = ()
    config: Path = TINY
    words: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    tolerated: tuple[str, ...] = ()
    prepare: str = ""


def _demo(name: str, *options: str, named: tuple[str, ...] = (), **more: Any) -> Case:
    return Case(name, options, DEMO, named=named, **more)


CASES = (
    Case("sound: tiny", words=MACL),
    Case("sound: three parts", (PARTS,)),
    Case("sound: backbone frozen on purpose", (PARTS, "model.frozen=True")),
    Case("sound: norm layers frozen on purpose", (PARTS, "model.norm_eval=True")),
    _demo("sound: demo"),
    Case(
        "a required loss is not returned",
        ("model.type=ForgetsMacl",),
        words=MACL,
        named=("losses",),
    ),
    Case(
        "the model swallows an exception",
        ("model.type=SaysNothingOfItsError",),
        words=MACL,
        named=("losses",),
    ),
    Case(
        "save_best names no metric",
        ("default_hooks.checkpoint.save_best=mean_eror", "default_hooks.checkpoint.rule=less"),
        named=("monitored",),
    ),
    Case(
        "early stopping monitors no metric",
        ("default_hooks.stop.type=EarlyStoppingHook", "default_hooks.stop.monitor=coco/bbox_mAP"),
        named=("monitored",),
    ),
    Case(
        "the metric cannot be computed",
        ("val_evaluator.busy=long",),
        named=("validates", "trains"),
    ),
    Case(
        "a sample of the validation is broken",
        (
            "val_dataloader.dataset.type=BrokenSample",
            "val_dataloader.dataset.length=20",
            "val_dataloader.batch_size=20",
        ),
        named=("validates",),
    ),
    Case("the model raises", ("model.type=RaisesInForward", "model.at=2"), named=("trains",)),
    Case(
        "a step is beyond the memory",
        ("model.type=OutOfCudaMemory", "model.at=2"),
        named=("trains",),
    ),
    Case("the learning rate is 0", (PARTS, "optim_wrapper.optimizer.lr=0.0"), named=("parts",)),
    Case(
        "the neck is outside the optimizer",
        (PARTS, "optim_wrapper.constructor=LeavesOutTheNeck"),
        named=("parts",),
    ),
    Case("the backbone is detached", ("model.type=DetachesItsBackbone",), named=("parts",)),
    Case("the backbone stays in eval mode", ("model.type=StaysInEval",), named=("parts",)),
    Case("the neck is never called", ("model.type=ForgetsItsNeck",), named=("parts",)),
    Case(
        "gradients are never cleared", (PARTS, "optim_wrapper.type=NeverClears"), named=("parts",)
    ),
    Case(
        "the weights are those of another model",
        ("load_from=FOLDER/pretrained.pth",),
        prepare="weights_of_another_model",
        named=("weights",),
    ),
    Case("the weights are not there", ("load_from=nowhere/pretrained.pth",), named=("trains",)),
    _demo(
        "classes=('person') is a text",
        f"{PAIRS}.metainfo.classes=person",
        named=("classes", "trains"),
    ),
    _demo(
        "training and validation have other classes",
        "val_dataloader.dataset.metainfo.classes=['pedestrian']",
        named=("classes", "trains"),
        tolerated=("validates",),
    ),
    _demo("the head has 80 classes", f"{HEAD}=80", named=("classes",)),
    _demo(
        "one image a sample",
        f"{PAIRS}.return_modality_pair=False",
        words=MACL,
        named=("pairs", "trains"),
        tolerated=("losses",),
    ),
    _demo(
        "the data is not there",
        f"{PAIRS}.data_root=data/nowhere",
        named=("trains", "refused"),
    ),
)


def main() -> int:
    """Rehearses, prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds it")
    arguments = parser.parse_args()
    rows: list[list[str]] = []
    wrong = 0
    for case in CASES:
        if arguments.only not in case.name:
            continue
        began = time.monotonic()
        items = rehearsed(case)
        off = {
            name: one["status"] for name, one in items.items() if one["status"] in ("fail", "warn")
        }
        right = is_right(case, off)
        wrong += not right
        shown = ", ".join(f"{name} ({status})" for name, status in off.items()) or "-"
        seconds = f"{time.monotonic() - began:.0f}"
        say(f"{'ok  ' if right else 'MISS'} {case.name}: {shown}; {seconds} s")
        rows.append(
            [
                case.name,
                " or ".join(case.named) or "sound",
                shown,
                seconds,
                "yes" if right else "**no**",
            ]
        )
    print(f"{machine()}\n")
    print(table(("training", "must be named by", "failed or warned", "s", "right"), rows))
    print(f"\n- right: {len(rows) - wrong} of {len(rows)}")
    return 1 if wrong else 0


def is_right(case: Case, off: dict[str, str]) -> bool:
    """Whether the fault was named, and nothing was named that is none."""
    if not case.named:
        return "fail" not in off.values()
    failed = {name for name, status in off.items() if status == "fail"}
    return bool(off.keys() & {*case.named}) and failed <= {*case.named, *case.tolerated}


def rehearsed(case: Case) -> dict[str, dict[str, str]]:
    """The items of a rehearsal by their name, without its common beginning."""
    with tempfile.TemporaryDirectory(prefix="r") as folder:
        if case.prepare:
            script = f"import prepare, pathlib; prepare.{case.prepare}(pathlib.Path({folder!r}))"
            subprocess.run([sys.executable, "-c", script], cwd=TRAININGS, check=True)
        words = ["check", str(case.config), "--rehearse", "--json", *case.words]
        if case.config == TINY:
            words += ["--script", str(TRAININGS / "train.py")]
        for option in case.options:
            words += ["--cfg-options", option.replace("FOLDER", folder)]
        done = subprocess.run(
            [sys.executable, "-m", "dualwatch", *words],
            capture_output=True,
            text=True,
            check=False,
        )
    if not done.stdout.startswith("{"):
        return {"refused": {"status": "fail", "observed": done.stderr}}
    document = json.loads(done.stdout)
    return {item["id"].removeprefix("rehearsal-"): item for item in document["items"]}


if __name__ == "__main__":
    sys.exit(main())
