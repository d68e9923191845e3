"""The README.md of a bundle: the diagnosis in Markdown.

Text from outside is in code: in fences and spans longer than any run of backticks in it, so that no
line of a log becomes a heading, a link or a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dualwatch import __version__
from dualwatch.core import units
from dualwatch.events import Finding
from dualwatch.report.bundle.markdown import code, fenced, prose
from dualwatch.report.diagnosis import Diagnosis
from dualwatch.report.terminal import environment as surroundings
from dualwatch.report.terminal import processes, wording
from dualwatch.report.terminal.console import one_line

_TABLE = ("pid", "role", "state", "CPU", "I/O", "memory", "waits in", "stack")
_WHAT = {
    "README.md": "this page",
    "diagnosis.json": "all of this page and more, for programs",
    "manifest.json": "sizes and checksums of the files, what was cut, what was taken out",
}
_TOKENS = {
    "secret": "secrets",
    "home": "home folders",
    "email": "e-mail addresses",
    "host": "names of machines",
    "ip": "IP addresses",
    "user": "user names",
}


class Listed(NamedTuple):
    """A file of the bundle; ``left_out`` bytes of the original are not in it."""

    name: str
    size: int
    left_out: int = 0


def text(document: Diagnosis, *, files: Sequence[Listed], legend: Mapping[str, int] | None) -> str:
    """The page.

    Args:
        document: The diagnosis, already redacted where it shall be.
        files: What else is in the bundle.
        legend: What the redactor took out, None where nothing was to be taken out.
    """
    sections = (
        _opening(document),
        _cause(document),
        _others(document),
        _processes(document),
        _loader(document),
        _gpu(document),
        _host(document),
        _log(document),
        _unseen(document),
        _files(files),
        _making(document, legend),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


# --- sections --------------------------------------------------------------------------------


def _opening(document: Diagnosis) -> Iterator[str]:
    yield "# Diagnosis of a training"
    yield ""
    yield f"Target: {code(wording.target(document))}  "
    yield f"Time: {units.clock(document.generated)}"
    yield from _headed("Status")
    yield prose(one_line(document.status.sentence) or "unknown")
    yield ""
    if document.phase:
        yield f"- phase: {code(one_line(document.phase))}"
    progress = wording.progress(document)
    if progress:
        yield f"- {prose(progress)}"
    last = one_line(document.status.last_line)
    if last:
        yield f"- last line: {code(last)}"


def _cause(document: Diagnosis) -> Iterator[str]:
    yield from _headed("Likeliest cause")
    if not document.causes:
        yield prose(wording.no_cause(document))
        return
    yield from _finding(document.causes[0])


def _others(document: Diagnosis) -> Iterator[str]:
    for heading, findings in (
        ("Other possible causes", document.causes[1:]),
        ("Also found", document.other_findings),
    ):
        if findings:
            yield from _headed(heading)
        for number, finding in enumerate(findings):
            if number:
                yield ""
            yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    about = wording.subject(finding)
    said = (finding.severity.word, wording.sureness(finding), about)
    yield f"**{prose(wording.title(finding))}** ({', '.join(prose(s) for s in said if s)})"
    yield ""
    for quoted, source in wording.evidence(finding):
        yield f"- {code(quoted)} ({prose(source)})"
    remedy = one_line(finding.remedy)
    if remedy:
        yield ""
        yield f"What to do: {prose(remedy)}"


def _processes(document: Diagnosis) -> Iterator[str]:
    nodes = processes.tree(document.processes)
    yield from _headed("Processes")
    if not nodes:
        yield _absent(document, "process")
        return
    yield "CPU and I/O are those between two samples; a process is below the one that started it."
    rows = [list(_TABLE)]
    for node in nodes:
        pid, *rest = processes.cells(node.process, role=20, wchan=60)
        rows.append(["  " * len(node.lasts) + pid, *rest, processes.stack(node.process)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TABLE) - 1)]
    yield ""
    yield from fenced(
        "  ".join((*(c.ljust(w) for c, w in zip(row[:-1], widths, strict=True)), row[-1])).rstrip()
        for row in rows
    )


def _loader(document: Diagnosis) -> Iterator[str]:
    if document.config is None:
        return
    yield from _headed(one_line(document.config.loader_name))
    source = surroundings.config_source(document)
    if source:
        yield f"From {code(source)}."
        yield ""
    settings = surroundings.loader(document)
    yield f"As loaded: {code(settings)}" if settings else "As loaded: not loaded."
    written = surroundings.written(document)
    if written:
        yield ""
        yield "As written:"
        yield ""
        yield from fenced(written, "python")


def _gpu(document: Diagnosis) -> Iterator[str]:
    yield from _headed("GPU")
    devices = list(surroundings.gpus(document))
    table = surroundings.nvidia_smi(document)
    if devices:
        yield from fenced(devices)
    if devices and table:
        yield ""
    if table:
        yield from fenced(table)
    elif not devices:
        yield _absent(document, "gpu", "nvidia")


def _host(document: Diagnosis) -> Iterator[str]:
    yield from _headed("Host and software")
    shown = surroundings.host(document)
    yield from (f"- {prose(said)}" for said in shown)
    if not shown:
        yield f"- {_absent(document, 'host', 'memory')}"
    software = document.environment
    for name, value in (
        ("dualwatch", software.dualwatch),
        ("python", software.python),
        ("platform", software.platform),
    ):
        if value:
            yield f"- {name}: {code(one_line(value))}"
    for name, pairs in (("versions", software.versions), ("variables", software.variables)):
        if pairs:
            said = ", ".join(code(f"{one_line(k)}={one_line(v)}") for k, v in pairs.items())
            yield f"- {name}: {said}"
    if document.host is not None and document.host.kernel:
        yield ""
        yield "Kernel log:"
        yield ""
        yield from fenced(one_line(text) for text in document.host.kernel)


def _log(document: Diagnosis) -> Iterator[str]:
    yield from _headed("End of the log")
    if not document.log_tail:
        yield _absent(document, "log", "console")
        return
    path = one_line(document.log_path)
    if path:
        yield f"From {code(path)}:"
        yield ""
    yield from fenced(one_line(text) for text in document.log_tail)


def _unseen(document: Diagnosis) -> Iterator[str]:
    yield from _headed("What could not be observed")
    if not document.not_observed:
        yield "Everything that was asked for answered."
    for item in document.not_observed:
        yield f"- {prose(one_line(item.what) or '?')}: {prose(one_line(item.why) or '?')}"


def _files(files: Sequence[Listed]) -> Iterator[str]:
    yield from _headed("Files")
    named = {file.name for file in files}
    own = [Listed(name, 0) for name in ("README.md", "manifest.json") if name not in named]
    for file in (*own[:1], *files, *own[1:]):
        about = [_WHAT[file.name]] if file.name in _WHAT else []
        about += [units.size(file.size)] if file.size else []
        if file.left_out:
            about.append(f"the beginning and the end; {units.size(file.left_out)} left out")
        yield f"- {code(file.name)}: {', '.join(about) or 'empty'}"


def _making(document: Diagnosis, legend: Mapping[str, int] | None) -> Iterator[str]:
    yield from _headed("How this was made")
    in_time = f" in {units.span(document.took_s)}" if document.took_s else ""
    yield (
        f"By `dualwatch diagnose` (version {__version__}){in_time}, which looks and changes "
        "nothing. What a code means: `dualwatch explain CODE`."
    )
    yield ""
    if legend is None:
        yield "Nothing was taken out: read it before you give it away."
        return
    counted = [f"{_TOKENS.get(kind, kind)} ({count})" for kind, count in legend.items()]
    yield (
        "Before it was written, names of people and machines, addresses and secrets were replaced "
        f"by tokens such as `<user-1>`: {', '.join(counted) or 'none were found'}. The same token "
        "is the same original everywhere. No program finds everything: look through it before you "
        "give it away."
    )


def _headed(title: str) -> tuple[str, ...]:
    return ("", f"## {title}", "")


def _absent(document: Diagnosis, *needles: str) -> str:
    why = one_line(document.why_unseen(*needles))
    return f"Not observed: {prose(why)}" if why else "Not observed."
