"""DW8xx: TensorBoard."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW801",
        name="tensorboard-unreachable",
        severity=Severity.WARNING,
        means="TensorBoard could not be started or does not respond.",
        matters="The training is not affected; its curves cannot be viewed.",
        remedy="Install it (python -m pip install 'dualwatch[tensorboard]') or choose another "
        "--port.",
        example="DW801 tensorboard-unreachable (certain)\n"
        "  TensorBoard is not running: it ended with code 1: No module named tensorboard\n"
        "  its output is in tensorboard.log",
    ),
    Code(
        code="DW802",
        name="tensorboard-tag-missing",
        severity=Severity.WARNING,
        means="A required metric is in the log lines and not in the event files, or the training "
        "writes no event file at all. Event files are up to two minutes late; dualwatch waits for "
        "that.",
        matters="The training is not affected; the curve does not exist.",
        remedy="Let the training write its scalars to TensorBoard, and install tensorboard in the "
        "environment of the training.",
        example="DW802 tensorboard-tag-missing (certain)\n"
        "  300 training lines and no event file of this training\n"
        "  configured writers of scalars: LocalVisBackend",
    ),
)
