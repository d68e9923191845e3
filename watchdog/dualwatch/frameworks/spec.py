"""A training in neutral terms: its configuration, overrides, command and checkpoints.

Every adapter speaks in these types, see ``frameworks.base``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dualwatch.core.errors import DualwatchError
from dualwatch.core.plain import PlainDict
from dualwatch.datasets.spec import DatasetSpec, Role
from dualwatch.events import Defect, NotFollowed

Sections = PlainDict
"""A configuration as its framework describes it: plain, JSON-able dictionaries."""

TIME_LIMIT = 120.0
"""Seconds that loading a configuration may take."""


class ConfigTimeout(DualwatchError):
    """A configuration that did not finish loading."""


class Goal(NamedTuple):
    """How long a training is to last; None where unknown or counted the other way."""

    epochs: int | None = None
    iterations: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSpec:
    """One DataLoader of a training.

    Attributes:
        name: Dotted path in the configuration.
        workers: 0 where the configuration names none, None where it is not known.
        batch: Samples of a batch, None where the configuration does not say.
        settings: As written, without the data set.
    """

    name: str
    role: Role
    workers: int | None = 0
    batch: int | None = None
    settings: PlainDict = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What building the parts of a training as a trial has shown.

    Attributes:
        built: Parts that were built, or whose settings their classes take.
        not_built: Part -> why it could not be tried.
        classes: Type of a data set -> the classes that it has where none are named.
    """

    defects: tuple[Defect, ...] = ()
    built: tuple[str, ...] = ()
    not_built: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSpec:
    """A configuration, loaded by its framework or read as text.

    Attributes:
        framework: Name of the adapter that made it; "" for none.
        loaders: Every loader, those of the training first.
        datasets: The data sets inside of all wrappers, those of the training first.
        wrapped: The data set of each loader as written, wrappers included.
        start_method: Of worker processes, None for the platform's own.
        start_from: Checkpoint that it starts from, "" for none.
        pretrained: Dotted key -> local file from which a part of its model is filled.
        resumes: Whether it continues with the state of that checkpoint, or of the newest one.
        work_dir: As the configuration names it, "" for none.
        model_words: Keys and types of its model.
        classes: How many its model tells apart; None where unknown, or where its parts differ.
        min_batch: The smallest batch that the model's loss can learn from.
        validates_every: Epochs from one validation to the next; None where unknown.
        due_at_end: What must come after its last iteration: "checkpoint", "validation".
        validates: Whether it validates while it trains; None where that is not known.
        backends: Types of what writes its scalars; None where that is not known.
        imports: Modules that it imports before training.
        not_followed: What of a configuration that was read as text is not known, and why.
        error: Why it does not load or cannot be read; "" where it does.
        remedy: What to do about that error, "" where nothing is known.
        timed_out: Loading it did not finish within the time limit.
        written: Source text of the training loader, None where it is not known.
        sections: The configuration itself, for its adapter and for display.
        everything: All that it assigns, for its adapter; not kept anywhere.
        trial: What building its parts has shown; None where that was not tried.
        lacks: What keeps it from being a training, by the names of its sections alone.
        in_text: What the text of its file shows, whatever it is loaded as.
    """

    framework: str = ""
    loaders: tuple[LoaderSpec, ...] = ()
    datasets: tuple[DatasetSpec, ...] = ()
    wrapped: tuple[DatasetSpec, ...] = ()
    start_method: str | None = None
    goal: Goal = field(default_factory=Goal)
    start_from: str = ""
    pretrained: Mapping[str, str] = field(default_factory=dict)
    resumes: bool = False
    work_dir: str = ""
    model_words: tuple[str, ...] = ()
    classes: int | None = None
    preprocessor: str = ""
    min_batch: int = 1
    due_at_end: tuple[str, ...] = ()
    validates_every: int | None = None
    validates: bool | None = None
    backends: tuple[str, ...] | None = None
    imports: tuple[str, ...] = ()
    not_followed: tuple[NotFollowed, ...] = ()
    error: str = ""
    remedy: str = ""
    timed_out: bool = False
    written: str | None = None
    sections: Sections = field(default_factory=dict)
    everything: Sections = field(default_factory=dict, repr=False)
    trial: Trial | None = None
    lacks: tuple[Defect, ...] = ()
    in_text: tuple[Defect, ...] = ()

    def of(self, role: Role | None = None) -> Iterator[LoaderSpec]:
        """The loaders of a role, or all of them."""
        return (one for one in self.loaders if role is None or one.role == role)

    def workers(self, role: Role | None = None) -> int:
        """The most workers that one of the loaders has; 0 where none is named."""
        return max((one.workers or 0 for one in self.of(role)), default=0)

    def batch(self, role: Role = "train") -> int | None:
        """The largest batch of the loaders of a role, None where the configuration names none."""
        return max((one.batch for one in self.of(role) if one.batch is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What an attempt changes; the default is the user's own configuration.

    Attributes:
        workers: No loader has more workers than this, None: as configured.
        batch: Samples of a training batch, None: as configured.
        validation_batch: No validation loader has larger batches, None: as configured.
        no_pools: Evaluations use no pools of processes.
        own_builds: Extensions are built in a folder of the run.
        network_limit: A server that does not answer is an error.
        offline_logs: Loggers use no service on the network.
        utf8: The training writes UTF-8, whatever encoding its console has.
        older_checkpoint: Resume from the checkpoint before the one that did not load. Holds for
            one start only: what that start saves is newer.
    """

    workers: int | None = None
    batch: int | None = None
    validation_batch: int | None = None
    utf8: bool = False
    no_pools: bool = False
    own_builds: bool = False
    network_limit: bool = False
    offline_logs: bool = False
    older_checkpoint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """A training as the command line asks for it.

    Attributes:
        extra: Words for the training's script, untouched.
    """

    config: Path
    work_dir: Path | None = None
    script: Path | None = None
    cfg_options: tuple[str, ...] = ()
    resume: bool = False
    amp: bool = False
    nproc_per_node: int | None = None
    nnodes: int = 1
    node_rank: int = 0
    rdzv_endpoint: str | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint file.

    Attributes:
        by_epoch: Whether ``number`` counts epochs rather than iterations.
    """

    path: Path
    by_epoch: bool
    number: int


def is_module(script: Path) -> bool:
    """Whether ``--script package.module`` names a module for ``python -m`` rather than a file."""
    dotted = re.fullmatch(r"\w+(\.\w+)+", str(script)) is not None
    return dotted and script.suffix != ".py" and not script.exists()


def launcher(options: LaunchOptions, python: str) -> tuple[str, ...]:
    """The words before the script: the interpreter, by torchrun where ranks are asked for."""
    if options.nproc_per_node is None and options.nnodes <= 1:
        return (python,)
    words = [python, "-m", "torch.distributed.run"]
    words += [f"--nproc-per-node={options.nproc_per_node or 1}"]
    words += [f"--nnodes={options.nnodes}", f"--node-rank={options.node_rank}"]
    if options.rdzv_endpoint:
        words += ["--rdzv-backend=c10d", f"--rdzv-endpoint={options.rdzv_endpoint}"]
    elif options.nnodes == 1:
        words += ["--standalone"]
    return tuple(words)
