"""The settings of a run and where each value came from.

Flags win over ``DUALWATCH_*`` variables, these over ``dualwatch.toml`` or ``pyproject.toml``, these
over defaults. A field of ``Settings`` is the one declaration of an option: the flag, the variable
and the key in a file are its name, and ``--help`` shows its help and default.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from dualwatch.core.clock import duration
from dualwatch.core.errors import DualwatchError, nearest
from dualwatch.core.options import Option, declared, integer, names, profile_table
from dualwatch.core.policies import CheckPolicy, NotifyPolicy, StallPolicy, StopPolicy
from dualwatch.core.urls import host, urls, web_url

ENV_PREFIX = "DUALWATCH_"

# Read by bootstrap.py, not by a run.
_FOREIGN_ENV = ("DUALWATCH_CACHE", "DUALWATCH_TORCH_INDEX")

OnStall = Literal["rerun", "stop", "report"]
OnFailure = Literal["report", "stop"]
AfterCure = Literal["fresh", "none"]
_PORT = integer(1, 65535)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force.

    Attributes:
        origins: Where each value that is not a default came from.
    """

    stall_timeout: Annotated[
        float,
        Option(
            help="Seconds without progress before a run is considered stalled; a proven deadlock "
            "is answered sooner.",
            parse=duration,
            metavar="DURATION",
        ),
    ] = 300.0
    busy_timeout: Annotated[
        float,
        Option(
            help="Seconds without progress before a busy run is considered stalled.",
            parse=duration,
            metavar="DURATION",
        ),
    ] = 1800.0
    require: Annotated[
        tuple[str, ...] | None,
        Option(
            help="Metric that the training log must contain (repeatable).",
            parse=names,
            metavar="METRIC",
            default="chosen from the model",
        ),
    ] = None
    on_stall: Annotated[OnStall, Option(help="Action on a stall.")] = "rerun"
    on_missing: Annotated[OnFailure, Option(help="Action on a missing required metric.")] = "report"
    on_fail: Annotated[OnFailure, Option(help="Action on a missed metric target.")] = "report"
    check: Annotated[
        Mapping[str, object],
        Option(help="Profile of the checklist, and changes to it.", parse=profile_table),
    ] = field(default_factory=dict)
    max_reruns: Annotated[
        int, Option(help="Reruns before giving up.", parse=integer(0, 100), metavar="N")
    ] = 3
    keep_effective_batch: Annotated[
        bool, Option(help="Accumulate gradients when the batch size is reduced.")
    ] = True
    min_batch: Annotated[
        int | None,
        Option(
            help="Smallest batch size that a rerun may use.",
            parse=integer(1, 1000),
            metavar="N",
            default="what the model's loss needs",
        ),
    ] = None
    rescue: Annotated[
        bool, Option(help="Replace a stuck DataLoader in place, without a rerun.")
    ] = True
    after_cure: Annotated[
        AfterCure,
        Option(help="Workers after a DataLoader was replaced: fresh ones on probation, or none."),
    ] = "fresh"
    tensorboard: Annotated[bool, Option(help="Start TensorBoard alongside the training.")] = True
    port: Annotated[int, Option(help="Port of TensorBoard.", parse=_PORT, metavar="PORT")] = 6006
    notify: Annotated[
        tuple[str, ...] | None,
        Option(
            help="Send notifications for stalls, reruns and completion to this URL (repeatable).",
            parse=urls,
            metavar="URL",
            secret=True,
        ),
    ] = None
    heartbeat_url: Annotated[
        str | None,
        Option(
            help="Request this URL by GET once a minute while the run is alive.",
            parse=web_url,
            metavar="URL",
            secret=True,
        ),
    ] = None
    metrics_port: Annotated[
        int | None,
        Option(help="Serve Prometheus metrics on this port.", parse=_PORT, metavar="PORT"),
    ] = None
    metrics_host: Annotated[
        str,
        Option(help="Address the Prometheus endpoint listens on.", parse=host, metavar="ADDRESS"),
    ] = "127.0.0.1"
    grace: Annotated[
        float,
        Option(help="Seconds between SIGTERM and SIGKILL.", parse=duration, metavar="DURATION"),
    ] = 10.0
    python: Annotated[
        str | None,
        Option(
            help="Python interpreter of the training.",
            parse=str,
            metavar="PATH",
            default="that of the active environment",
        ),
    ] = None
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        """Where a value came from."""
        return self.origins.get(name, "default")

    def over(self, earlier: Mapping[str, object]) -> Settings:
        """These settings over those of an earlier run, which replace defaults only.

        Secrets are left out: a run records them masked.
        """
        kept: dict[str, Any] = {}
        for name, value in earlier.items():
            setting = BY_NAME.get(name)
            if setting is None or setting.option.secret or name in self.origins or value is None:
                continue
            with contextlib.suppress(ValueError):  # A value that this version does not allow.
                kept[name] = setting.parse(value)
        origins = {**self.origins, **dict.fromkeys(kept, "the run so far")}
        return replace(self, **kept, origins=origins)

    def with_profile(self, profile: str) -> Settings:
        """These settings with another profile of the checklist; changes to it are kept."""
        table = {**self.check, "profile": profile}
        return replace(self, check=table, origins={**self.origins, "check": "flag"})

    def stall_policy(self) -> StallPolicy:
        """When a run counts as stalled."""
        return StallPolicy(stall_timeout=self.stall_timeout, busy_timeout=self.busy_timeout)

    def stop_policy(self) -> StopPolicy:
        """What else stops a run."""
        return StopPolicy(on_missing=self.on_missing, on_fail=self.on_fail, grace=self.grace)

    def notify_policy(self) -> NotifyPolicy:
        """Who is informed of a run."""
        return NotifyPolicy(
            urls=self.notify or (),
            urls_from=self.origin("notify"),
            metrics_host=self.metrics_host,
            metrics_port=self.metrics_port,
            heartbeat_url=self.heartbeat_url,
            heartbeat_url_from=self.origin("heartbeat_url"),
        )

    def check_policy(self) -> CheckPolicy:
        """What a run is checked against."""
        return CheckPolicy(
            profile=self.check,
            profile_from=self.origin("check"),
            required=self.require,
            required_from=self.origin("require"),
            stall=self.stall_policy(),
            tensorboard_port=self.port,
            python=self.python,
        )

    def recorded(self) -> dict[str, object]:
        """Every value by its name, secrets masked."""
        return {setting.name: setting.shown(getattr(self, setting.name)) for setting in SETTINGS}

    def rows(self) -> list[tuple[str, object, str, str]]:
        """Name, value, origin and help of every setting, secrets masked."""
        shown = self.recorded()
        return [(s.name, shown[s.name], self.origin(s.name), s.option.help) for s in SETTINGS]


SETTINGS = declared(Settings)

BY_NAME = {setting.name: setting for setting in SETTINGS}

SECRET_ENV = tuple(ENV_PREFIX + s.name.upper() for s in SETTINGS if s.option.secret)
"""Variables that are not passed on to child processes."""


def resolve(
    flags: Mapping[str, object],
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Settings of the command line, the environment and the nearest file.

    Args:
        flags: Values from the command line; None means not given.
        environ: Environment, the process's own by default.
        folder: Where the search for a settings file begins, upwards.

    Raises:
        DualwatchError: Every problem of all sources at once.
    """
    from dualwatch.protocol import INTERNAL_ENV

    environ = os.environ if environ is None else environ
    problems: list[str] = []
    path, table = _file(folder or Path.cwd(), problems)
    entries = [(path, key, key.replace("-", "_"), raw) for key, raw in table.items()]
    entries += [
        ("environment", key, key[len(ENV_PREFIX) :].lower(), raw)
        for key, raw in environ.items()
        if key.startswith(ENV_PREFIX) and key not in (*_FOREIGN_ENV, *INTERNAL_ENV)
    ]
    entries += [
        ("flag", BY_NAME[name].flag, name, raw) for name, raw in flags.items() if raw is not None
    ]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, key, name, raw in entries:
        if name not in BY_NAME:
            problems.append(f"{source}: unknown key {key!r}{_hint(name, source)}")
            continue
        try:
            values[name] = BY_NAME[name].parse(raw)
            origins[name] = f"environment {key}" if source == "environment" else source
        except ValueError as error:
            problems.append(f"{source}: {key} = {BY_NAME[name].shown(raw)!r}: {error}")
    if problems:
        raise DualwatchError(
            "the settings are not valid",
            why="\n".join(problems),
            do="correct them; `dualwatch config show` lists every setting and where it came from",
        )
    return Settings(**values, origins=origins)


def _hint(name: str, source: str) -> str:
    spelled = (
        ENV_PREFIX + near.upper() if source == "environment" else near
        for near in nearest(name, BY_NAME)
    )
    return "".join(f"; did you mean {near!r}?" for near in spelled)


def _file(folder: Path, problems: list[str]) -> tuple[str, Mapping[str, object]]:
    """The nearest ``dualwatch.toml`` or ``[tool.dualwatch]``, from the folder upwards."""
    for place in (folder.resolve(), *folder.resolve().parents):
        own, project = place / "dualwatch.toml", place / "pyproject.toml"
        if own.is_file():
            return str(own), _toml(own, problems)
        if project.is_file():
            tools = _toml(project, problems).get("tool")
            table = tools.get("dualwatch") if isinstance(tools, Mapping) else None
            if isinstance(table, Mapping):
                return f"{project} [tool.dualwatch]", table
    return "", {}


def _toml(path: Path, problems: list[str]) -> Mapping[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: {error}")
        return {}
