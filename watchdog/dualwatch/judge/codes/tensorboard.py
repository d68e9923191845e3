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
)
