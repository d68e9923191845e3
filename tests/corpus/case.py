"""What a case of the corpus is made of. Pure: the cases are a literal table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Stalls:
    """A duration as a share of the stall timeout, so that a case is long or short beside it."""

    share: float


@dataclass(frozen=True, slots=True)
class InWorkDir:
    """A path below the work dir of the case."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A real training: what happens to it, and what dualwatch must say.

    Attributes:
        cause: The truth, in one sentence.
        expected: Codes of which one must be named first; empty where nothing need be said. Two
            where the meaning of both codes covers what happens.
        healthy: Must not be acted on, nor be given a cause of severity error.
        options: ``--cfg-options``.
        words: Further words of the command line of ``dualwatch train``.
        script, config: Files in ``trainings/``.
        environment: Variables of dualwatch and of the training.
        prepare: A function of ``trainings/prepare.py`` that fills the work dir.
        mounts: Folder -> size of a small tmpfs that is mounted there, in a namespace of the case's
            own. Needs root.
        actors: Functions of ``actors.py`` that are called one after the other.
        ends: "itself", or "finding": it is interrupted when something was found.
        twin: Name of the healthy case that differs in nothing but the fault.
        needs: Modules without which it cannot run.
        provable: Its stall is proven, so with default settings it is answered without the timeout.
    """

    name: str
    cause: str
    expected: tuple[str, ...] = ()
    healthy: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    script: str = "train.py"
    config: str = "tiny_cfg.py"
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    mounts: Mapping[str | InWorkDir, str] = field(default_factory=dict)
    actors: tuple[str, ...] = ()
    ends: str = "itself"
    twin: str = "plain"
    needs: tuple[str, ...] = ()
    provable: bool = False
