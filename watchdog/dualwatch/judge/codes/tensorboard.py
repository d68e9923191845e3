"""DW8xx: TensorBoard."""

from __future__ import annotations

from dualwatch.facts import Severity
from dualwatch.judge.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW801",
        name="tensorboard-unreachable",
        severity=Severity.WARNING,
        means="TensorBoard could not be started or does not answer.",
        matters="The training is not harmed; its curves cannot be looked at.",
        cure="Install it (pip install 'dualwatch[tensorboard]') or choose another --port.",
        example="DW801 tensorboard-unreachable (almost certain)\n"
        "  TensorBoard ended with code 1; its words are in tensorboard.log",
    ),
    Code(
        code="DW802",
        name="tensorboard-tag-missing",
        severity=Severity.WARNING,
        means="A tag that must be there is not in the event files.",
        matters="Its curve cannot be looked at.",
        cure="Add dict(type='TensorboardVisBackend') to the visualizer's vis_backends.",
        example="DW802 tensorboard-tag-missing (very likely)\n  no tag loss_macl among 12",
    ),
)
