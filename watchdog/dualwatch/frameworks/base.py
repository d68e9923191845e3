"""What a training framework is to dualwatch.

An adapter is one subclass of ``Framework``, registered under the entry point group
``dualwatch.frameworks`` (see ``frameworks``). It overrides what it knows; the defaults describe a
plain Python training, which has no configuration, takes no overrides and is followed by its
console. Everything else in dualwatch speaks of loaders, batches, workers, epochs and checkpoints,
in the types of this module, and never of a framework.

* ``TrainingSpec`` describes one configuration: its loaders (the training loader first), its data
  sets, how far it is to train, what it starts from, and what of it is not known.
* ``Overrides`` says what an attempt changes, in neutral terms. ``Framework.changes`` turns it into
  changes of the framework's own configuration keys, ``Framework.in_force`` reads it back.
* ``LaunchOptions`` is a training as it was asked for on the command line; ``Framework.command``
  makes its command.

What runs inside the training is not here: see ``agent``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dualwatch.core.errors import DualwatchError
from dualwatch.core.plain import PlainDict
from dualwatch.datasets.layouts import ReadLayout
from dualwatch.datasets.spec import DatasetSpec, Role
from dualwatch.events import (
    Change,
    CheckpointSeen,
    ConfigRead,
    Defect,
    Event,
    NotFollowed,
    PathsSeen,
)
from dualwatch.logs.formats import LineFormat

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
    """

    framework: str = ""
    loaders: tuple[LoaderSpec, ...] = ()
    datasets: tuple[DatasetSpec, ...] = ()
    wrapped: tuple[DatasetSpec, ...] = ()
    start_method: str | None = None
    goal: Goal = field(default_factory=Goal)
    start_from: str = ""
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
        utf8: The training writes UTF-8, whatever encoding its console has.
        older_checkpoint: Resume from the checkpoint before the one that did not load. Holds for
            one start only: what that start saves is newer.
    """

    workers: int | None = None
    batch: int | None = None
    validation_batch: int | None = None
    utf8: bool = False
    no_pools: bool = False
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


class Framework:
    """What one framework does its own way. All methods have defaults for a plain training.

    Attributes:
        name: Its name, unique among the adapters.
        config_suffixes: Suffixes of files that may be configurations of it.
        modules: Packages that a training script of it imports.
        scripts: Training scripts to look for in the current folder, best first.
        entry: The training script that dualwatch ships for it, None for none.
        layouts: Data set type -> reader of its layout.
        phases: Function name in a stack -> the ``protocol.Phase`` of the training there.
        libraries: (pattern over a frame's file, name of the library).
        collective_files: Parts of the paths of files whose functions are collectives.
        error_places: (pattern over a traceback's frame, finding code) of errors whose message is
            not specific.
        loop_places: Pattern over a traceback's line "File ..., line ..., in ..." of its training
            loop, None where it has none that is known.
        error_patterns: (finding code, pattern over ``Kind: message``).
        advice: Finding code -> its own line of advice, which is added to the finding's remedy.
        older_advice: The same for a configuration of the generation before, see ``is_older``.
    """

    name: str = ""
    config_suffixes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    entry: Path | None = None

    layouts: Mapping[str, ReadLayout] = {}
    phases: Mapping[str, str] = {}
    libraries: tuple[tuple[re.Pattern[str], str], ...] = ()
    collective_files: tuple[str, ...] = ()
    error_places: tuple[tuple[re.Pattern[str], str], ...] = ()
    loop_places: re.Pattern[str] | None = None
    error_patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    advice: Mapping[str, str] = {}
    older_advice: Mapping[str, str] = {}

    # --- configurations ---

    def takes(self, config: Path) -> bool:
        """Whether a file may be a configuration of this framework, by its name."""
        return config.suffix.lower() in self.config_suffixes

    def load(
        self,
        python: str,
        config: Path,
        options: Sequence[str] = (),
        folder: Path = Path(),
        limit: float = TIME_LIMIT,
        build: bool = False,
    ) -> TrainingSpec:
        """Loads a configuration as the training would, in a child process of its Python.

        Args:
            options: ``K=V`` words of ``--cfg-options``.
            folder: First on the import path.
            limit: Seconds that it may take.
            build: Build its parts as a trial too, without data and without training.

        Raises:
            DualwatchError: With code DW602 it does not load; without one its Python cannot try.
        """
        raise NotImplementedError

    def data_paths(self, spec: TrainingSpec, roots: Sequence[Path]) -> PathsSeen:
        """The data folders and annotation files that are named, and which of them exist.

        Args:
            roots: Where relative paths may begin.
        """
        return PathsSeen()

    def defects(self, spec: TrainingSpec, roots: Sequence[Path]) -> tuple[Defect, ...]:
        """What is wrong with a configuration that loads, its annotations included.

        Args:
            roots: Where relative paths may begin; with none, no file is looked at.
        """
        return ()

    def compared(self, spec: TrainingSpec) -> tuple[str, ...]:
        """The parts of a configuration whose numbers of classes are compared."""
        return ()

    def is_whole(self, spec: TrainingSpec) -> bool:
        """Whether the sections that a training needs are known to be there or not."""
        return False

    def fault(self, config: Path) -> tuple[str, str] | None:
        """Why a file surely does not load, and what to do, by its text alone; None: not known."""
        return None

    def read(self, config: Path) -> TrainingSpec:
        """Reads a configuration as text. Executes nothing and never raises.

        What could not be followed is in ``not_followed``.
        """
        raise NotImplementedError

    def spec(self, sections: Sections) -> TrainingSpec:
        """The specification of sections that ``load`` returned before, as a journal keeps them."""
        return TrainingSpec(framework=self.name, sections=sections)

    def find_config(self, work_dir: Path, log: Path | None = None) -> Path | None:
        """The configuration that a run in a work dir was started with.

        Args:
            log: A file that the run left; by default it is the newest run.
        """
        return None

    def config_in_log(self, lines: Sequence[str]) -> TrainingSpec | None:
        """The configuration that a training printed into its log; None where there is none."""
        return None

    def is_older(self, config: ConfigRead) -> bool:
        """Whether a configuration is of the generation before, whose keys have other names."""
        return False

    def advice_on(self, code: str, config: ConfigRead | None) -> str:
        """Its line of advice on a finding, in the terms of a configuration; "" for none."""
        older = config is not None and self.is_older(config)
        return (self.older_advice if older else self.advice).get(code, "")

    # --- starting ---

    def command(self, options: LaunchOptions, script: Path, python: str) -> tuple[str, ...]:
        """The exact command of a training."""
        return (*launcher(options, python), str(script), *options.extra)

    # --- remedies ---

    def changes(
        self, spec: TrainingSpec, overrides: Overrides, *, keep_effective: bool
    ) -> tuple[Change, ...]:
        """The complete, consistent set of changes of configuration keys that overrides make.

        Args:
            keep_effective: With a smaller batch, accumulate gradients so that an optimizer step
                sees as many samples as before.
        """
        return ()

    def in_force(self, spec: TrainingSpec, changed: PlainDict) -> Overrides:
        """The overrides that changed configuration keys amount to; the inverse of ``changes``."""
        return Overrides()

    # --- the files of a run ---

    def newest_checkpoint(
        self, work_dir: Path, *, since: float, without: Collection[Path] = ()
    ) -> tuple[Checkpoint | None, list[str]]:
        """The newest whole checkpoint written since a time, and what was passed over and why."""
        return None, []

    def last_checkpoint(self, work_dir: Path) -> Path | None:
        """The checkpoint that the framework itself would resume from; None for none."""
        return None

    def start_checkpoint(
        self,
        config: ConfigRead,
        work_dir: Path | None,
        *,
        at: float,
        wall: float,
        roots: Sequence[Path] = (Path(),),
    ) -> CheckpointSeen | None:
        """Whether the checkpoint that a training starts from is whole; None: it starts from none.

        Args:
            work_dir: Folder of the run, where resuming looks for the newest checkpoint.
            roots: Where a relative path may begin.
        """
        return None

    # --- logs ---

    def scalars(self, path: Path, newest: int) -> list[Event]:
        """The events of the framework's own file of scalars, at the file's time.

        Args:
            newest: So many training rows are given, the newest; and every evaluation.

        Raises:
            OSError: It cannot be read.
        """
        return []

    def line_format(self) -> LineFormat | None:
        """A new reader of the framework's log lines, for one stream; None: it has no lines."""
        return None
