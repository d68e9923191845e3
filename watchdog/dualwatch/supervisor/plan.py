"""The plan of a run, made before anything is started: what ``--dry-run`` prints."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from dualwatch import frameworks
from dualwatch.agent.mmengine import TRAIN_SCRIPT
from dualwatch.checks import profiles
from dualwatch.core.errors import DualwatchError, Exit, code_of
from dualwatch.core.policies import CheckPolicy, StallPolicy, StopPolicy
from dualwatch.core.settings import Settings, choose_metrics
from dualwatch.events import RerunStep
from dualwatch.frameworks.mmengine.config import edits
from dualwatch.frameworks.mmengine.config import load as configs
from dualwatch.remedies import table
from dualwatch.remedies.decide import Policy, ladders
from dualwatch.report.terminal import dryrun
from dualwatch.report.terminal.dryrun import DryRun
from dualwatch.rules.thresholds import MetricTarget

ENTRY = Path(TRAIN_SCRIPT)
MMENGINE_FORMS = (".py", ".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line of ``dualwatch train``, as given.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run that can be started.

    Attributes:
        policy: What a remedy may do.
        stall, stop: When the run counts as stalled; what else stops it, and how.
        description: The configuration as ``agent.mmengine.describe_config`` read it; None for a
            training that is not one of mmengine and is followed by its console alone.
        settings: As they are recorded, without secrets.
        tensorboard_port: None where TensorBoard is not wanted.
        milestones: Targets of metrics, of the checklist's profile.
        notes: What the user should know before the start.
    """

    config: Path
    script: Path
    python: str
    work_dir: Path
    command: tuple[str, ...]
    required: tuple[str, ...]
    required_because: str
    policy: Policy
    stall: StallPolicy
    stop: StopPolicy
    settings: Mapping[str, Any]
    tensorboard_port: int | None
    description: Mapping[str, Any] | None
    milestones: tuple[MetricTarget, ...] = ()
    resume: bool = False
    notes: tuple[str, ...] = field(default=())

    def document(self) -> DryRun:
        """The plan as one document, for ``--dry-run``."""
        escalations = {name: _steps(steps) for name, steps in self._ladders().items()}
        return DryRun(
            command=self.command,
            config=str(self.config),
            script=str(self.script),
            work_dir=str(self.work_dir),
            required_metrics=self.required,
            required_because=self.required_because,
            notes=self.notes,
            max_reruns=self.policy.max_reruns,
            min_batch=self.policy.min_batch,
            in_place=self._in_place(),
            ladder=escalations.get("stall", []),
            ladders=escalations,
        )

    def _ladders(self) -> dict[str, tuple[RerunStep, ...]]:
        found = ladders(self.description or {}, self.policy)
        if self.description is None:  # Nobody is inside that could change or resume anything.
            return {
                name: steps
                for name, steps in found.items()
                if not any(step.changes or step.older_checkpoint for step in steps)
            }
        return found

    def _in_place(self) -> str | None:
        """What is done about a loader that hangs before any rerun, None where nothing can be."""
        if not self.policy.rescue or not edits.workers(self.description or {}, edits.TRAINING):
            return None
        return table.IN_PLACE


def _steps(steps: Sequence[RerunStep]) -> list[dryrun.Step]:
    return [
        dryrun.Step(
            step=number,
            name=step.name,
            changes=step.changes,
            environment=dict(step.environment),
        )
        for number, step in enumerate(steps, start=1)
    ]


def make(options: Options, settings: Settings) -> Plan:
    """The plan of ``dualwatch train``.

    Raises:
        DualwatchError: Something that the user gave is missing or not valid.
    """
    framework = frameworks.of_script(options.config) if options.script is None else None
    script = options.config if framework is not None else _script(options.script)
    python = configs.training_python(settings.python)
    notes: list[str] = []
    description = None
    if framework is None:
        description = _describe(options, script, python, notes)
    else:
        notes.append(f"{options.config.name} is a training script of {framework.name}")
    _require_data(description)
    work_dir = _work_dir(options, description)
    words = description.get("model_words", ()) if description is not None else ()
    check = settings.check_policy()
    required, because = choose_metrics(check.required, check.required_from, words)
    return Plan(
        config=options.config,
        script=script,
        python=python,
        work_dir=work_dir,
        command=_command(options, script, python),
        required=required,
        required_because=because,
        description=description,
        milestones=milestones(check, options.config, (*words, *required)),
        **policies(settings, description or {}),
        resume=options.resume,
        notes=tuple(notes),
    )


def milestones(policy: CheckPolicy, config: Path, words: Sequence[str]) -> tuple[MetricTarget, ...]:
    """The targets of metrics in the checklist of a training.

    Args:
        words: Of its model, and its required metrics.

    Raises:
        DualwatchError: The profile is not valid.
    """
    return profiles.choose(
        policy.profile, policy.profile_from, config=config.name, words=words
    ).profile.milestones


class Policies(TypedDict):
    """The part of a plan that follows from the settings."""

    policy: Policy
    stall: StallPolicy
    stop: StopPolicy
    settings: Mapping[str, Any]
    tensorboard_port: int | None


def policies(settings: Settings, description: Mapping[str, Any]) -> Policies:
    """The policies of a run.

    Args:
        description: Its configuration, which sets the smallest batch.
    """
    return Policies(
        policy=Policy(
            on_stall=settings.on_stall,
            max_reruns=settings.max_reruns,
            keep_effective_batch=settings.keep_effective_batch,
            min_batch=settings.min_batch or edits.floor(description),
            rescue=settings.rescue,
        ),
        stall=settings.stall_policy(),
        stop=settings.stop_policy(),
        settings=settings.recorded(),
        tensorboard_port=settings.port if settings.tensorboard else None,
    )


def _script(named: Path | None) -> Path:
    """The named script or module, else the user's ``tools/train.py``, else the built-in one."""
    if named is not None:
        if not named.is_file() and not is_module(named):
            raise DualwatchError(
                f"the script {named} does not exist",
                why=f"looked for it from {Path.cwd()}",
                do="correct --script",
            )
        return named
    usual = Path("tools/train.py")
    return usual if usual.is_file() else ENTRY


def is_module(script: Path) -> bool:
    """Whether ``--script package.module`` names a module for ``python -m`` rather than a file."""
    name = str(script)
    dotted = re.fullmatch(r"\w+(\.\w+)+", name) is not None
    return dotted and script.suffix != ".py" and not script.exists()


def _describe(
    options: Options, script: Path, python: str, notes: list[str]
) -> Mapping[str, Any] | None:
    if not options.config.is_file() or options.config.suffix in MMENGINE_FORMS:
        try:
            by_folder = script == ENTRY or is_module(script)
            folder = Path.cwd() if by_folder else script.resolve().parent
            return configs.describe(python, options.config, options.cfg_options, folder)
        except DualwatchError as error:
            # A script of the user's own need not be an mmengine training at all.
            if error.code is not None or options.script is None:
                raise
            notes.append(f"{error.what}: only the console output of the training is followed")
            return None
    notes.append(
        f"{options.config.name} is not an mmengine configuration: only the console output of the "
        "training is followed"
    )
    return None


def _require_data(description: Mapping[str, Any] | None) -> None:
    missing = configs.missing_data(description) if description is not None else []
    if missing:
        raise DualwatchError(
            "the configuration names data that does not exist",
            why="\n".join(f"{key} = {path}" for key, path in missing),
            do="correct the path, or give it with --cfg-options KEY=PATH (relative to "
            f"{Path.cwd()})",
            code="DW603",
        )


def _work_dir(options: Options, description: Mapping[str, Any] | None) -> Path:
    """As MMDetection's script chooses it: command line, configuration, name of the file."""
    chosen = options.work_dir
    if chosen is None and description is not None and description.get("work_dir"):
        chosen = Path(str(description["work_dir"]))
    if chosen is None:
        chosen = Path("work_dirs") / options.config.stem
    return Path(os.path.abspath(chosen))


def prepare_folder(work_dir: Path) -> Path:
    """Makes ``WORK_DIR/dualwatch``, readable by its owner only.

    Raises:
        DualwatchError: It cannot be written.
    """
    folder = work_dir / "dualwatch"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch(mode=0o600)
        try:
            probe.write_bytes(bytes(4096))  # An empty file takes no room: a full disk has it still.
        finally:
            probe.unlink()
    except OSError as error:
        raise DualwatchError(
            f"the work dir cannot be written: {work_dir}",
            why=f"{error.filename or folder}: {error.strerror}",
            do="choose another --work-dir, correct its permissions or free disk space",
            exit_code=Exit.USAGE,
            code=code_of(error),
        ) from error
    return folder


def _command(options: Options, script: Path, python: str) -> tuple[str, ...]:
    """The exact command; nothing of ours is added to the user's script's arguments."""
    command: list[str] = [python]
    launcher: Sequence[str] = ()
    if options.nproc_per_node is not None or options.nnodes > 1:
        command += ["-m", "torch.distributed.run"]
        command += [f"--nproc-per-node={options.nproc_per_node or 1}"]
        command += [f"--nnodes={options.nnodes}", f"--node-rank={options.node_rank}"]
        if options.rdzv_endpoint:
            command += ["--rdzv-backend=c10d", f"--rdzv-endpoint={options.rdzv_endpoint}"]
        else:
            command += ["--standalone"] if options.nnodes == 1 else []
        launcher = ("--launcher", "pytorch")
    command += ["-m", str(script)] if is_module(script) else [str(script)]
    if script == options.config:  # It takes no configuration, nor the options of one.
        return (*command, *options.extra)
    command += [str(options.config)]
    if options.work_dir is not None:
        command += ["--work-dir", str(options.work_dir)]
    if options.resume:
        command += ["--resume"]
    if options.amp:
        command += ["--amp"]
    command += launcher
    if options.cfg_options:
        command += ["--cfg-options", *options.cfg_options]
    return (*command, *options.extra)
