"""The plan of a run, made before anything is started: what ``--dry-run`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from dualwatch import domains
from dualwatch.checks import profiles
from dualwatch.collectors.host import storage
from dualwatch.collectors.host.storage import StorageResponse
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.policies import CheckPolicy, StallPolicy, StopPolicy
from dualwatch.core.settings import Settings
from dualwatch.events import RerunStep
from dualwatch.frameworks import interpreter
from dualwatch.frameworks.base import Framework, LaunchOptions, TrainingSpec, is_module
from dualwatch.remedies import table
from dualwatch.remedies.decide import Policy, escalations
from dualwatch.report.terminal import dryrun
from dualwatch.report.terminal.dryrun import DryRun
from dualwatch.rules.thresholds import MetricTarget
from dualwatch.supervisor import training_command


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run that can be started.

    Attributes:
        policy: What a remedy may do.
        stall, stop: When the run counts as stalled; what else stops it, and how.
        spec: The configuration; without sections for a training that is followed by its console.
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
    settings: Mapping[str, object]
    tensorboard_port: int | None
    spec: TrainingSpec
    milestones: tuple[MetricTarget, ...] = ()
    resume: bool = False
    notes: tuple[str, ...] = field(default=())

    def document(self) -> DryRun:
        """The plan as one document, for ``--dry-run``."""
        steps = {name: _steps(found) for name, found in self._escalations().items()}
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
            ladder=steps.get("stall", []),
            ladders=steps,
        )

    def _escalations(self) -> dict[str, tuple[RerunStep, ...]]:
        found = escalations(self.spec, self.policy)
        if self.spec.sections:
            return found
        # No agent could change a configuration or resume from a checkpoint.
        return {
            name: steps
            for name, steps in found.items()
            if not any(step.changes or step.older_checkpoint for step in steps)
        }

    def _in_place(self) -> str | None:
        """What is done about a loader that hangs before any rerun, None where nothing can be."""
        return table.IN_PLACE if self.policy.rescue and self.spec.workers("train") else None


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


class StorageStuckError(DualwatchError):
    """The storage of data does not respond.

    Attributes:
        responses: How soon each path responded.
    """

    def __init__(self, responses: Sequence[StorageResponse]) -> None:
        self.responses = tuple(responses)
        super().__init__(
            f"the storage of the data does not respond within {storage.LIMIT_S:.0f} s",
            why="\n".join(storage.stuck(responses)),
            do="check the mount (network drive, FUSE, automounter), or name data on another disk",
            exit_code=Exit.NOT_OBSERVED,
            code="DW116",
        )


def make(options: LaunchOptions, settings: Settings) -> Plan:
    """Settles script, interpreter, work dir, command, required metrics and escalations.

    Raises:
        DualwatchError: Something that the user named is missing or wrong.
    """
    python = interpreter.training_python(settings.python)
    notes: list[str] = []
    framework, script, is_script = training_command.entry(options)
    if is_script:
        _refuse_config_options(options, framework)
        spec = TrainingSpec(framework=framework.name)
        notes.append(f"{options.config.name} is a training script of {framework.name}")
    else:
        spec = _spec(options, framework, script, python, notes)
    _require_data(framework, spec)
    _require_training(framework, spec, script, notes)
    check = settings.check_policy()
    required, because = domains.required_metrics(
        check.required, check.required_from, spec.model_words
    )
    return Plan(
        config=options.config,
        script=script,
        python=python,
        work_dir=training_command.work_dir(options, spec.work_dir),
        command=framework.command(options, script, python),
        required=required,
        required_because=because,
        spec=spec,
        milestones=milestones(check, options.config, (*spec.model_words, *required)),
        **policies(settings, spec),
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
    settings: Mapping[str, object]
    tensorboard_port: int | None


def policies(settings: Settings, spec: TrainingSpec) -> Policies:
    """The policies of a run.

    Args:
        spec: Its configuration, which sets the smallest batch.
    """
    return Policies(
        policy=Policy(
            on_stall=settings.on_stall,
            max_reruns=settings.max_reruns,
            keep_effective_batch=settings.keep_effective_batch,
            min_batch=settings.min_batch or spec.min_batch,
            rescue=settings.rescue,
            after_cure=settings.after_cure,
        ),
        stall=settings.stall_policy(),
        stop=settings.stop_policy(),
        settings=settings.recorded(),
        tensorboard_port=settings.port if settings.tensorboard else None,
    )


def _refuse_config_options(options: LaunchOptions, framework: Framework) -> None:
    """A script has no configuration that these could change: it would train without them."""
    given = {
        "--cfg-options": bool(options.cfg_options),
        "--resume": options.resume,
        "--amp": options.amp,
    }
    idle = ", ".join(flag for flag, is_given in given.items() if is_given)
    if idle:
        raise DualwatchError(
            f"{options.config.name} takes no {idle}",
            why=f"it is a training script of {framework.name}, which has no configuration",
            do=f"give the script its own options: dualwatch train {options.config} -- ARGS",
        )


def _spec(
    options: LaunchOptions, framework: Framework, script: Path, python: str, notes: list[str]
) -> TrainingSpec:
    config = options.config
    if not config.is_file() or framework.takes(config):
        try:
            by_folder = script == framework.entry or is_module(script)
            folder = Path.cwd() if by_folder else script.resolve().parent
            return framework.load(python, config, options.cfg_options, folder)
        except DualwatchError as error:
            # A script of the user's own need not be a training of this framework at all.
            if error.code is not None or options.script is None:
                raise
            notes.append(f"{error.what}: only the console output of the training is followed")
            return TrainingSpec()
    notes.append(
        f"{config.name} is not a configuration of {framework.name}: only the console output of "
        "the training is followed"
    )
    return TrainingSpec()


def _require_training(
    framework: Framework, spec: TrainingSpec, script: Path, notes: list[str]
) -> None:
    """Refuses a configuration that surely ends at its start.

    A script of the user's own may complete it before it trains: then it is a note.
    """
    if not spec.lacks:
        return
    why = "\n".join(one.text for one in spec.lacks)
    if script != framework.entry:
        notes.append(f"{why}: {script} has to provide it, or the training ends at its start")
        return
    raise DualwatchError(
        "the configuration cannot be trained",
        why=why,
        do=" ".join(one.do for one in spec.lacks if one.do)
        + " If your own script completes it, name that with --script.",
        code="DW610",
    )


def _require_data(framework: Framework, spec: TrainingSpec) -> None:
    responses = storage.look(framework.named_paths(spec))
    if storage.stuck(responses):
        raise StorageStuckError(responses)
    missing = framework.data_paths(spec, (Path(),)).missing
    if missing:
        raise DualwatchError(
            "the configuration names data that does not exist",
            why="\n".join(f"{key} = {path}" for key, path in missing.items()),
            do="correct the path, or give it with --cfg-options KEY=PATH (relative to "
            f"{Path.cwd()})",
            code="DW603",
        )
