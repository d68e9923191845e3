"""Asks ``diagnose`` and ``check`` about an input, in this process, and reads their documents."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from dualwatch.core.errors import DualwatchError
from dualwatch.core.json_codec import plain
from dualwatch.core.policies import CheckPolicy
from dualwatch.core.settings import resolve
from dualwatch.diagnose import check, diagnose_command
from dualwatch.protocol import Phase

from tests.strangers.case import Case, Outcome

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"

SEVERE = ("error", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A finding as the document has it; ``text`` is evidence and remedy together."""

    code: str
    severity: str
    text: str

    @property
    def severe(self) -> bool:
        return self.severity in SEVERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What both commands answer.

    Attributes:
        bundle: All files of the redacted bundle, where one was asked for.
        outcome: None where the document shows none that is known here.
        checks: Id -> status of every item.
        refused: What ``diagnose`` printed in place of a document, "" for nothing; so
            ``check_refused``.
        crashed: A traceback's last line, "" for none.
    """

    exit: int = -1
    check_exit: int = -1
    outcome: Outcome | None = None
    phase: str = ""
    place: tuple[int | None, int | None] = (None, None)
    causes: tuple[Named, ...] = ()
    findings: tuple[Named, ...] = ()
    checks: Mapping[str, str] = field(default_factory=dict)
    check_codes: tuple[str, ...] = ()
    check_text: str = ""
    sentence: str = ""
    bundle: str = ""
    refused: str = ""
    check_refused: str = ""
    crashed: str = ""

    @property
    def first(self) -> Named | None:
        return self.causes[0] if self.causes else None

    def having(self, *statuses: str) -> set[str]:
        """Ids of the checks with one of these statuses."""
        return {name for name, status in self.checks.items() if status in statuses}


def write(case: Case, folder: Path) -> Path:
    """The case's files below a folder; gives the target."""
    for name, contents in case.files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = contents.encode("utf-8") if isinstance(contents, str) else contents
        path.write_bytes(data)
    for name, days in case.old.items():
        seconds = (folder / name).stat().st_mtime - days * 86400
        os.utime(folder / name, (seconds, seconds))
    return folder / case.target


def missing(case: Case) -> list[str]:
    """Modules that the case needs and this Python lacks."""
    return [name for name in case.needs if importlib.util.find_spec(name) is None]


def ask(case: Case, folder: Path) -> Answer:
    """What is answered today."""
    policy = resolve({}).check_policy()
    if case.light:
        policy = policy._replace(python=str(_bare_python(folder)))
    target = write(case, folder / "given")
    answer = asked(target, policy)
    if not case.truth.hidden or answer.crashed:
        return answer
    return replace(answer, bundle=_bundle(target, policy, folder))


def asked(path: Path, policy: CheckPolicy) -> Answer:
    """What both commands answer about a path."""
    try:
        diagnosis, exit, refused = _diagnosis(path, policy)
        checklist, check_exit, check_refused = _checklist(path, policy)
    except Exception as error:  # A crash is an answer that the benchmark counts.
        return Answer(crashed=f"{type(error).__name__}: {error}")
    answer = read(diagnosis, checklist, exit=exit, check_exit=check_exit)
    return replace(answer, refused=refused, check_refused=check_refused)


def _diagnosis(path: Path, policy: CheckPolicy) -> tuple[Json, int, str]:
    try:
        done = diagnose_command.diagnose(
            path, None, policy, output=None, bundle=False, redact=False
        )
    except DualwatchError as error:
        return None, int(error.exit_code), str(error)
    return done.document.as_json(), int(done.code), ""


def _checklist(path: Path, policy: CheckPolicy) -> tuple[Json, int, str]:
    try:
        checked = check.check(check.resolve(path), policy, check.Wanted())
    except DualwatchError as error:
        return None, int(error.exit_code), str(error)
    return plain(check.document(checked)), int(checked.code), ""


def _bundle(path: Path, policy: CheckPolicy, folder: Path) -> str:
    """All that the redacted bundle holds."""
    done = diagnose_command.diagnose(path, None, policy, output=folder, bundle=True, redact=True)
    assert done.bundle is not None
    with zipfile.ZipFile(done.bundle) as archive:
        return "\n".join(
            archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
        )


def _bare_python(folder: Path) -> Path:
    """A Python that has no package but the standard library."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def read(diagnosis: Json, checklist: Json, *, exit: int, check_exit: int) -> Answer:
    """The documents' fields."""
    items = _list(_at(checklist, "items"))
    standing = _at(diagnosis, "standing")
    return Answer(
        exit=exit,
        check_exit=check_exit,
        outcome=_outcome(diagnosis),
        phase=_text(_at(diagnosis, "phase")),
        place=(_number(_at(standing, "epoch")), _number(_at(standing, "iteration"))),
        causes=tuple(_named(one) for one in _list(_at(diagnosis, "causes"))),
        findings=tuple(_named(one) for one in _list(_at(diagnosis, "findings"))),
        checks={_text(_at(one, "id")): _text(_at(one, "status")) for one in items},
        check_codes=tuple(
            _text(_at(one, "code"))
            for one in items
            if _text(_at(one, "status")) in ("fail", "warn")
        ),
        check_text="\n".join(
            f"{_text(_at(one, 'observed'))}\n{_text(_at(one, 'remedy'))}"
            for one in items
            if _text(_at(one, "status")) in ("fail", "warn")
        ),
        sentence=_text(_at(standing, "sentence")),
    )


def _outcome(diagnosis: Json) -> Outcome | None:
    """The one place that reads it from the document."""
    phase = _text(_at(diagnosis, "phase"))
    if _text(_at(diagnosis, "target", "kind")) == "config":
        return Outcome.CONFIGURATION
    if not _at(diagnosis, "standing", "decided"):
        return Outcome.UNDECIDED
    if _text(_at(diagnosis, "standing", "mode")) == "test":
        return Outcome.TESTED
    if phase == Phase.FINISHED:
        return Outcome.FINISHED
    return Outcome.DEAD if not _at(diagnosis, "target", "alive") else None


def _named(finding: Json) -> Named:
    said = [_text(_at(one, "text")) for one in _list(_at(finding, "evidence"))]
    return Named(
        code=_text(_at(finding, "code")),
        severity=_text(_at(finding, "severity")).lower(),
        text="\n".join([*said, _text(_at(finding, "remedy"))]),
    )


def holds(pattern: str, text: str) -> bool:
    """Whether a number or a name is in a text; it is a whole word there."""
    return re.search(rf"(?<![\w.])(?:{pattern})(?![\w])", text) is not None


def _at(value: Json, *keys: str) -> Json:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return "" if value is None else str(value)


def _number(value: Json) -> int | None:
    return int(value) if isinstance(value, int | float) else None
