"""DW308: what a failed assertion of a CUDA kernel says about the labels. Pure."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from dualwatch.events import Circumstance, DeviceAssertSeen, ErrorSeen
from dualwatch.rules.deaths import error_table
from dualwatch.rules.deaths.error_patterns import Meaning, text_of
from dualwatch.state.metric_series import is_loss
from dualwatch.state.snapshot import Snapshot

DIVERGED = 1e3
"""Times its mean at the start from which a loss has diverged."""

_OF_CLASSES = re.compile(r"cur_target|target_val|n_classes|num_classes")
_OF_AN_INDEX = re.compile(
    r"index out of bounds|srcIndex|idx_dim|indexValue|< index_size|src_?[Ii]ndex|< self_dim_size"
)
_OF_A_SHARE = re.compile(r"input_val|input >= 0|>= zero|<= one")
_IN_A_LOSS = re.compile(
    r"loss|criterion|target|assign|one_hot|cross_entropy|match|_head\b|head\.py|anchor|scatter"
    r"|gather"
)
_OF_CUDA = re.compile(r"CUDA error|device-side assert|CUBLAS|CUDNN|cuDNN|cuda runtime error")


class Asserted(NamedTuple):
    """What the assertion means for an error of CUDA."""

    meaning: Meaning
    report: DeviceAssertSeen


def is_of_cuda(text: str) -> bool:
    """Whether an error can be the echo of a failed kernel."""
    return _OF_CUDA.search(text) is not None


def of_assertion(s: Snapshot, error: ErrorSeen | None) -> Asserted | None:
    """What the first failed assertion before an error means; None where there was none."""
    if not s.last_words.asserts or (error is not None and not is_of_cuda(text_of(error))):
        return None
    one = s.last_words.asserts[0]
    kernel = f" of {one.kernel}" if one.kernel else ""
    text = f"an assertion{kernel} failed on the GPU: {one.assertion}"
    if _OF_CLASSES.search(one.assertion):
        beyond = f"a label is not below the number of classes ({text})"
        return Asserted(Meaning("DW308", beyond), one)
    if _OF_A_SHARE.search(one.assertion):
        return Asserted(Meaning("DW606", text, Circumstance.NON_FINITE, False), one)
    where = "\n".join((error.where, *error.excerpt)) if error is not None else ""
    in_a_loss = _IN_A_LOSS.search(where) or "ScatterGather" in one.place
    if _OF_AN_INDEX.search(one.assertion) and in_a_loss and not not_finite(s):
        return Asserted(Meaning("DW308", text, None, False), one)
    return Asserted(Meaning("DW606", text, Circumstance.DEVICE_ASSERT, False), one)


def not_finite(s: Snapshot) -> str:
    """The loss that was not finite, or had diverged, in the last training line; "" for none."""
    for name, metric in s.metrics.items():
        if metric.last_line != s.train_lines or not s.train_lines or not is_loss(name):
            continue
        if not math.isfinite(metric.value):
            return f"{name} was {metric.value:g} in the last training line"
        head = [abs(point.value) for point in metric.series.head]
        if head and abs(metric.value) > DIVERGED * max(sum(head) / len(head), 1e-3):
            return f"{name} had grown to {metric.value:g} in the last training line"
    return ""


def follows_numbers(error: ErrorSeen) -> bool:
    """Whether an error is one that numbers which are not finite lead to."""
    return error_table.NON_FINITE.search(text_of(error)) is not None
