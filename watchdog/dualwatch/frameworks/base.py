"""What a training framework is to dualwatch.

An adapter is one subclass of ``Framework``, registered under the entry point group
``dualwatch.frameworks`` (see ``frameworks``). It overrides what it knows; the defaults describe a
plain Python training, which has no configuration, takes no overrides and is followed by its
console. Everything else in dualwatch speaks of loaders, batches, workers, epochs and checkpoints,
in the types of ``frameworks.spec``, and never of a framework.

* ``TrainingSpec`` describes one configuration: its loaders (the training loader first), its data
  sets, how far it is to train, what it starts from, and what of it is not known.
* ``Overrides`` says what an attempt changes, in neutral terms. ``Framework.changes`` turns it into
  changes of the framework's own configuration keys, ``Framework.in_force`` reads it back.
* ``LaunchOptions`` is a training as it was asked for on the command line; ``Framework.command``
  makes its command.

What runs inside the training is not here: see ``agent``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from dualwatch.core.plain import PlainDict
from dualwatch.datasets.layouts import ReadLayout
from dualwatch.events import (
    Change,
    CheckpointSeen,
    ConfigRead,
    Defect,
    Event,
    PathsSeen,
)
from dualwatch.frameworks.spec import (
    TIME_LIMIT,
    Checkpoint,
    ConfigTimeout,
    Goal,
    LaunchOptions,
    LoaderSpec,
    Overrides,
    Sections,
    TrainingSpec,
    Trial,
    is_module,
    launcher,
)
from dualwatch.logs.formats import LineFormat

__all__ = [
    "TIME_LIMIT",
    "Checkpoint",
    "ConfigTimeout",
    "Framework",
    "Goal",
    "LaunchOptions",
    "LoaderSpec",
    "Overrides",
    "Sections",
    "TrainingSpec",
    "Trial",
    "is_module",
    "launcher",
]


class Framework:
    """What one framework does its own way. All methods have defaults for a plain training.

    Attributes:
        name: Its name, unique among the adapters.
        config_suffixes: Suffixes of files that may be configurations of it.
        modules: Packages that a training script of it imports.
        scripts: Training scripts to look for in the current folder, best first.
        entry: The training script that dualwatch ships for it, None for none.
        begins_again: Only the script knows how it resumes: a rerun begins from the start.
        layouts: Data set type -> reader of its layout.
        phases: Function name in a stack -> the ``protocol.Phase`` of the training there.
        libraries: (pattern over a frame's file, name of the library).
        collective_files: Parts of the paths of files whose functions are collectives.
        error_places: (pattern over a traceback's frame, finding code) of errors whose message is
            not specific.
        loop_places: Pattern over a traceback's line "File ..., line ..., in ..." of its training
            loop, None where it has none that is known.
        error_patterns: (finding code, pattern over ``Kind: message``).
        advice: Finding code -> its own line of advice, which is added to the finding's remedy; for
            a remedy of one circumstance "CODE CIRCUMSTANCE".
        older_advice: The same for a configuration of the generation before, see ``is_older``.
    """

    name: str = ""
    config_suffixes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    entry: Path | None = None
    begins_again: bool = False

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

    def is_script(self, tree: ast.Module, imported: set[str]) -> bool:
        """Whether a script is a training of this framework.

        Args:
            tree: Of its source.
            imported: Packages that it imports.
        """
        return bool(imported & {*self.modules})

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

    def named_paths(self, spec: TrainingSpec) -> tuple[str, ...]:
        """The data folders and annotation files that are named; touches no file."""
        return ()

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

    def resume_call(self, checkpoint: Path) -> str:
        """What the training's script calls to resume; "" where a command resumes it."""
        return ""

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
