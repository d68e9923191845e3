"""The checklist as a typed document: what ``check --json`` prints and every view of it renders."""

from __future__ import annotations

from msgspec import Struct, field

from dualwatch.events.journal import SCHEMA_VERSION
from dualwatch.rules.starts import EarlierStart


class CheckTarget(Struct, kw_only=True):
    """What was checked; ``life`` is a word of ``checks.item.RunLife``.

    Attributes:
        earlier: The starts of its log before the newest one, oldest first.
    """

    kind: str
    path: str | None = None
    work_dir: str | None = None
    log: str | None = None
    life: str = ""
    sentence: str = ""
    earlier: list[EarlierStart] = []


class ProfileChoice(Struct, kw_only=True):
    """The profile in force, and why it was chosen."""

    name: str
    title: str = ""
    because: str = ""


class Entry(Struct, kw_only=True):
    """One item; ``reason`` is a word of ``checks.item.NotJudged``."""

    id: str
    stage: str
    title: str
    status: str
    expected: str = ""
    observed: str = ""
    reason: str | None = None
    blocked_by: str | None = None
    remedy: str | None = None
    code: str | None = None


class ListedItem(Struct, kw_only=True):
    """One item of a profile, before anything is checked."""

    id: str
    stage: str
    title: str
    code: str


class CheckList(Struct, kw_only=True):
    """What ``check --list --json`` prints."""

    profile: str
    items: list[ListedItem]


class Unread(Struct, kw_only=True):
    """A source that could not be read, and why."""

    what: str
    why: str


class NamedCause(Struct, kw_only=True):
    """A cause that ``diagnose`` names too: the exit code is 1 although an item may only warn."""

    code: str
    name: str
    headline: str


class CheckDocument(Struct, kw_only=True):
    """The whole document; ``counts`` by status."""

    schema_version: int = SCHEMA_VERSION
    target: CheckTarget
    profile: ProfileChoice
    entries: list[Entry] = field(name="items")
    counts: dict[str, int]
    exit_code: int = 0
    causes: list[NamedCause] = []
    not_observed: list[Unread] = []
