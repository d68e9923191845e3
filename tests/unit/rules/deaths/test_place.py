"""Where a training died, by the frames of its traceback."""

from __future__ import annotations

import pytest
from dualwatch.events import ErrorSeen
from dualwatch.protocol import Phase
from dualwatch.rules.deaths import place
from dualwatch.rules.deaths.place import Part, Place

MMDET = "/env/lib/python3.9/site-packages"
# (file, function) outermost first; the phase by the lines before; what the frames show.
DEATHS = [
    ([("train.py", "main"), (f"{MMDET}/torch/_tensor.py", "backward")],
     Phase.WAITING, Place(Phase.STEP, Part.BACKWARD)),
    ([("train.py", "main"), (f"{MMDET}/torch/optim/sgd.py", "step")],
     Phase.WAITING, Place(Phase.STEP, Part.OPTIMIZER)),
    ([("train.py", "main"), (f"{MMDET}/torch/nn/modules/module.py", "_call_impl"),
      ("net.py", "forward")], Phase.WAITING, Place(Phase.STEP, Part.FORWARD)),
    ([("train.py", "validate"), (f"{MMDET}/torch/nn/modules/module.py", "_call_impl"),
      ("net.py", "forward")], Phase.WAITING, Place(Phase.VAL_STEP, Part.FORWARD)),
    ([("tools/train.py", "main"), (f"{MMDET}/mmdet/apis/test.py", "single_gpu_test"),
      (f"{MMDET}/torch/nn/modules/module.py", "_call_impl")],
     Phase.SAVING, Place(Phase.VAL_STEP, Part.FORWARD)),
    ([("tools/train.py", "main"), (f"{MMDET}/mmdet/apis/test.py", "multi_gpu_test"),
      (f"{MMDET}/mmdet/apis/test.py", "collect_results_cpu")],
     Phase.WAITING, Place(Phase.METRICS, Part.COLLECTING)),
    ([("tools/train.py", "main"), (f"{MMDET}/mmdet/datasets/coco.py", "evaluate")],
     Phase.WAITING, Place(Phase.METRICS)),
    ([("train.py", "main"), (f"{MMDET}/torch/utils/data/dataloader.py", "_next_data"),
      ("data.py", "__getitem__")], Phase.WAITING, Place(Phase.WAITING)),
    ([("train.py", "main"), (f"{MMDET}/torch/serialization.py", "save")],
     Phase.WAITING, Place(Phase.SAVING)),
    ([("tools/train.py", "main"), (f"{MMDET}/mmengine/registry/build_functions.py",
      "build_from_cfg")], Phase.STARTING, Place(Phase.BUILDING)),
    ([("D:\\w\\train.py", "<module>"), ("D:\\w\\train.py", "main")], Phase.WAITING, None),
]  # fmt: skip


@pytest.mark.parametrize(("frames", "logged", "expected"), DEATHS)
def test_the_place(frames: list[tuple[str, str]], logged: str, expected: Place | None) -> None:
    lines = ["Traceback (most recent call last):"]
    for file, function in frames:
        lines += [f'  File "{file}", line 7, in {function}', "    call()"]
    error = ErrorSeen(
        at=1.0, wall=1.0, exception="RuntimeError", message="x", excerpt=(*lines, "RuntimeError: x")
    )
    assert place.of_error(error, logged) == expected


def test_an_error_of_a_worker_is_in_loading_a_batch() -> None:
    error = ErrorSeen(at=1.0, wall=1.0, exception="KeyError", message="x", worker=2)
    assert place.of_error(error, Phase.WAITING) == Place(Phase.WAITING, Part.WORKER)
