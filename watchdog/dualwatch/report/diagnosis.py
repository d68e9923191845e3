"""A diagnosis as a typed document: what ``diagnose --json`` prints and every view of it renders."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from dualwatch.core.json_codec import plain
from dualwatch.core.plain import PlainDict
from dualwatch.events import Finding, GpuSample
from dualwatch.events.journal import SCHEMA_VERSION
from dualwatch.rules.starts import EarlierStart


class Target(Struct, kw_only=True):
    """What was looked at.

    Attributes:
        kind: "run" (supervised), "process", "folder", "log" or "config".
        alive: None where that cannot be known.
        console: Whether its log shows what was printed, rather than a logger's lines alone; None
            without a log.
    """

    kind: str = ""
    path: str | None = None
    pid: int | None = None
    work_dir: str | None = None
    alive: bool | None = None
    console: bool | None = None
    supervised: bool = False


class Status(Struct, kw_only=True):
    """Where the training is.

    Attributes:
        decided: Whether its fate is known, see ``rules.status``.
        last_progress: Wall time.
    """

    sentence: str = ""
    decided: bool = False
    mode: str | None = None
    epoch: int | None = None
    iteration: int | None = None
    total: int | None = None
    last_progress: float | None = None
    silence_s: float | None = None
    last_line: str = ""


class Process(Struct, kw_only=True):
    """A process of the tree.

    Attributes:
        cpu: Share of a core between two samples.
        io: Bytes a second.
        stack: Frames of the main thread, "function (file:line)", innermost first.
    """

    pid: int
    ppid: int = 0
    role: str = ""
    status: str = ""
    wchan: str = ""
    threads: int | None = None
    open_files: int | None = None
    rss: int | None = None
    command: str = ""
    cpu: float | None = None
    io: int | None = None
    stack: list[str] = []


class Loader(Struct, kw_only=True):
    """Settings of the training's loader, as they were loaded and as they are written."""

    loaded: PlainDict | None = None
    written: str | None = None


class Config(Struct, kw_only=True):
    """The configuration, and how it was read: "loaded" or "read"."""

    path: str | None = None
    how: str | None = None
    loader_name: str = ""
    loader: Loader = field(default_factory=Loader)


class Host(Struct, kw_only=True):
    """The machine; see ``events.HostSampled``."""

    memory_total: int | None = None
    memory_available: int | None = None
    cgroup_limit: int | None = None
    cgroup_used: int | None = None
    cgroup_oom_kills: int | None = None
    shm_total: int | None = None
    shm_free: int | None = None
    disk: str = ""
    disk_total: int | None = None
    disk_free: int | None = None
    open_files_limit: int | None = None
    container: str | None = None
    kernel: tuple[str, ...] = ()
    commit_limit: int | None = None
    commit_used: int | None = None


class Environment(Struct, kw_only=True):
    """Software of the supervisor and of the training; its variables that bear on hangs."""

    dualwatch: str = ""
    python: str = ""
    platform: str = ""
    versions: dict[str, str] = {}
    variables: dict[str, str] = {}


class NotSeen(Struct, kw_only=True):
    """A source that could not be read, and why."""

    what: str
    why: str


class Diagnosis(Struct, kw_only=True):
    """The whole document.

    Attributes:
        causes: Likeliest first.
        findings: All of them, the causes included.
        earlier: The starts of the log, and of its work dir, before the newest one, oldest first.
        in_common: What the newest of them have in common, "" for nothing.
        log_tail: The newest lines.
        generated: Wall time.
    """

    schema_version: int = SCHEMA_VERSION
    target: Target = field(default_factory=Target)
    phase: str = ""
    status: Status = field(name="standing", default_factory=Status)
    causes: list[Finding] = []
    findings: list[Finding] = []
    earlier: list[EarlierStart] = []
    in_common: str = ""
    log_path: str | None = None
    log_tail: list[str] = []
    nvidia_smi: str | None = None
    gpus: list[GpuSample] = []
    processes: list[Process] = []
    config: Config | None = None
    host: Host | None = None
    environment: Environment = field(default_factory=Environment)
    not_observed: list[NotSeen] = []
    generated: float = 0.0
    took_s: float = 0.0

    @property
    def other_findings(self) -> list[Finding]:
        """Findings that are not among the causes."""
        return [finding for finding in self.findings if finding not in self.causes]

    def why_unseen(self, *needles: str) -> str:
        """Why a source could not be read, "" where nothing is known of it."""
        for one in self.not_observed:
            if any(needle in one.what.lower() for needle in needles):
                return one.why
        return ""

    def as_json(self) -> dict[str, Any]:
        """The published document; the loader's settings are under the name that it has there."""
        data: dict[str, Any] = plain(self)
        if data["config"] is not None:
            config = data["config"]
            config[config.pop("loader_name")] = config.pop("loader")
        return data
