"""DW8xx: TensorBoard."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW801",
        name="tensorboard-unreachable",
        severity=Severity.WARNING,
        means="TensorBoard could not be started or does not answer.",
        matters="The training is not harmed; its curves cannot be looked at.",
        cure="Install it (pip install 'dualwatch[tensorboard]') or choose another --port.",
        example="DW801 tensorboard-unreachable (almost certain)\n"
        "  TensorBoard does not run: it ended with code 1: No module named tensorboard\n"
        "  its words are in tensorboard.log",
    ),
    Code(
        code="DW802",
        name="tensorboard-tag-missing",
        severity=Severity.WARNING,
        means="A tag that must be there is not in the event files: a required metric that is in "
        "the training lines, or there is no event file of the training at all. Events are "
        "written up to two minutes late, which is waited for.",
        matters="The training is not harmed; the curve that is to be looked at does not exist.",
        cure="Write vis_backends = [dict(type='LocalVisBackend'), "
        "dict(type='TensorboardVisBackend')] into the configuration, and name them in its "
        "visualizer; install tensorboard where the training runs.",
        example="DW802 tensorboard-tag-missing (almost certain)\n"
        "  300 training lines, and no event file of this training\n"
        "  the backends of the visualizer: LocalVisBackend",
    ),
)
