"""Settings and where each came from: flags > environment > dualwatch.toml > pyproject > defaults.

One literal table declares them; every problem of a run is reported at once, each with the nearest
valid name.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualwatch.core.clock import duration
from dualwatch.core.errors import DualwatchError
from dualwatch.core.urls import host, masked, urls
from dualwatch.protocol import INTERNAL_ENV

ENV_PREFIX = "DUALWATCH_"

# Ours too, but of bootstrap.py, not of a run.
_FOREIGN_ENV = frozenset(("DUALWATCH_CACHE", "DUALWATCH_TORCH_INDEX", *INTERNAL_ENV))


def _boolean(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    try:
        return words[str(value).strip().lower()]
    except KeyError:
        raise ValueError("is neither true nor false") from None


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value).strip()):
            raise ValueError("is no whole number")
        if not low <= int(value) <= high:
            raise ValueError(f"must be from {low} to {high}")
        return int(value)

    return convert


def _choice(*allowed: str) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return convert


def _names(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be a list of names")
    return tuple(name.strip() for name in names if name.strip())


def _checklist(value: Any) -> Mapping[str, Any]:
    """The table of the checklist, whose parts ``profiles`` knows, or the name of a profile."""
    if isinstance(value, str) and value.strip():
        return {"profile": value.strip()}
    if not isinstance(value, Mapping):
        raise ValueError("must be a table, or the name of a profile")
    return dict(value)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, default, converter and one line of help.

    Attributes:
        secret: Whether its values hold passwords or tokens, so that they are never shown or kept.
    """

    name: str
    default: Any
    convert: Callable[[Any], Any]
    help: str
    secret: bool = False

    def shown(self, value: Any) -> Any:
        """The value as it may be seen: in the journal, in a list, in a message."""
        if not self.secret or value is None:
            return value
        if isinstance(value, (list, tuple)):
            return [masked(str(url)) for url in value]
        return " ".join(masked(url) for url in str(value).split()) or "***"


SETTINGS: tuple[Setting, ...] = (
    Setting("stall_timeout", 300.0, duration, "silence that makes a suspect"),
    Setting("busy_timeout", 1800.0, duration, "busy silence that counts as a stall"),
    Setting("require", None, _names, "metrics that must be in the training lines"),
    Setting("on_stall", "rerun", _choice("rerun", "stop", "report"), "what a stall leads to"),
    Setting("on_missing", "report", _choice("report", "stop"), "what a missing metric leads to"),
    Setting("on_fail", "report", _choice("report", "stop"), "what a missed milestone leads to"),
    Setting("check", {}, _checklist, "profile of the checklist, and what is changed of it"),
    Setting("max_reruns", 3, _integer(0, 100), "reruns before giving up"),
    Setting("keep_effective_batch", True, _boolean, "accumulate gradients for a smaller batch"),
    Setting("min_batch", None, _integer(1, 1000), "smallest batch tried; else what the loss needs"),
    Setting("rescue", True, _boolean, "replace a stuck loader in place, save what was learnt"),
    Setting("tensorboard", True, _boolean, "start TensorBoard beside the training"),
    Setting("port", 6006, _integer(1, 65535), "port of TensorBoard"),
    Setting("notify", None, urls, "where stalls, reruns and the end are told", secret=True),
    Setting("metrics_port", None, _integer(1, 65535), "port of the Prometheus endpoint"),
    Setting("metrics_host", "127.0.0.1", host, "address that the endpoint listens on"),
    Setting("grace", 10.0, duration, "time between SIGTERM and SIGKILL"),
    Setting("python", None, str, "Python that runs the training"),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}

SECRET_ENV = tuple(ENV_PREFIX + setting.name.upper() for setting in SETTINGS if setting.secret)
"""Variables that no child of ours inherits."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value in force and where it came from."""

    value: Any
    source: str


class Settings:
    """The settings in force.

    Attributes are the names in ``SETTINGS``; ``origin(name)`` says where a value came from.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name].value
        except KeyError:
            raise AttributeError(name) from None

    def origin(self, name: str) -> str:
        """Where a value came from, in words."""
        return self._values[name].source

    def beneath(self, values: Mapping[str, Any]) -> Settings:
        """These settings; what is a mere default gives way to what a run before had in force.

        But for secrets, of which the run kept nothing that could be used.
        """
        earlier = {
            name: Value(tuple(value) if isinstance(value, list) else value, "the run so far")
            for name, value in values.items()
            if name in self._values
            and self._values[name].source == "default"
            and not _BY_NAME[name].secret
        }
        return Settings({**self._values, **earlier})

    def with_value(self, name: str, value: Any, source: str) -> Settings:
        """These settings with another value for one of them, as it is."""
        return Settings({**self._values, name: Value(value, source)})

    def rows(self) -> list[tuple[str, Any, str, str]]:
        """Name, value, source and help of every setting, in the order of the table.

        Secrets are masked: what is listed here is printed and kept.
        """
        return [
            (s.name, s.shown(self._values[s.name].value), self._values[s.name].source, s.help)
            for s in SETTINGS
        ]


def resolve(
    flags: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Settles every setting.

    Args:
        flags: Values from the command line; None means not given.
        environ: Environment, the process's own by default.
        folder: Where the search for a settings file begins, upwards.

    Raises:
        DualwatchError: All that is wrong in any of the sources, at once.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    values = {setting.name: Value(setting.default, "default") for setting in SETTINGS}
    path, table = _file(folder or Path.cwd(), problems)
    from_environment = {
        key[len(ENV_PREFIX) :].lower(): value
        for key, value in environ.items()
        if key.startswith(ENV_PREFIX) and key not in _FOREIGN_ENV
    }
    given = {key: value for key, value in flags.items() if value is not None}
    for source, entries in ((path, table), ("environment", from_environment), ("flag", given)):
        for key, raw in entries.items():
            name = key.replace("-", "_")
            shown = f"{ENV_PREFIX}{key.upper()}" if source == "environment" else key
            if source == "flag":
                shown = "--" + key.replace("_", "-")
            if name not in _BY_NAME:
                problems.append(f"{source}: unknown key {shown!r}{_nearest(name, source)}")
                continue
            try:
                label = f"environment {shown}" if source == "environment" else source
                values[name] = Value(_BY_NAME[name].convert(raw), label)
            except ValueError as error:
                problems.append(f"{source}: {shown} = {_BY_NAME[name].shown(raw)!r} {error}")
    if problems:
        raise DualwatchError(
            "the settings are not valid",
            why="\n".join(problems),
            do="`dualwatch config show` lists every setting and where its value comes from",
        )
    return Settings(values)


def _nearest(name: str, source: str) -> str:
    close = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.4)
    if not close:
        return ""
    shown = ENV_PREFIX + close[0].upper() if source == "environment" else close[0]
    return f"; did you mean {shown!r}?"


def _file(folder: Path, problems: list[str]) -> tuple[str, Mapping[str, Any]]:
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


def _toml(path: Path, problems: list[str]) -> Mapping[str, Any]:
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
