"""The README.md of a bundle: the diagnosis told to a stranger, in Markdown.

Whatever comes from outside stands in code: in fences and spans longer than any run of backticks in
it, so that no line of a log becomes a heading, a link or a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dualwatch import __version__
from dualwatch.core import units
from dualwatch.frameworks import LOADER_KEY
from dualwatch.report.bundle.markdown import code, fenced, prose
from dualwatch.report.terminal import environment as surroundings
from dualwatch.report.terminal import fields

_TABLE = ("pid", "role", "state", "CPU", "I/O", "memory", "waits in", "stands in")
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


def text(
    document: Mapping[str, Any],
    *,
    files: Sequence[Listed],
    legend: Mapping[str, int] | None,
) -> str:
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


def _opening(document: Mapping[str, Any]) -> Iterator[str]:
    yield "# Diagnosis of a training"
    yield ""
    yield f"What was looked at: {code(fields.target(document))}  "
    yield f"When: {fields.clock(document.get('generated'))}"
    yield from _headed("Where it stands")
    standing = fields.part(document, "standing")
    yield prose(fields.line(standing.get("sentence")) or "Where it stands could not be told.")
    yield ""
    if document.get("phase"):
        yield f"- phase: {code(fields.line(document['phase']))}"
    progress = fields.progress(document)
    if progress:
        yield f"- {prose(progress)}"
    last = fields.line(standing.get("last_line"))
    if last:
        yield f"- last line: {code(last)}"


def _cause(document: Mapping[str, Any]) -> Iterator[str]:
    causes = fields.parts(document, "causes")
    yield from _headed("Likeliest cause")
    if not causes:
        yield prose(fields.no_cause(document))
        return
    yield from _finding(causes[0])


def _others(document: Mapping[str, Any]) -> Iterator[str]:
    for heading, findings in (
        ("Other possible causes", fields.parts(document, "causes")[1:]),
        ("Also found", fields.other_findings(document)),
    ):
        if findings:
            yield from _headed(heading)
        for number, finding in enumerate(findings):
            if number:
                yield ""
            yield from _finding(finding)


def _finding(finding: Mapping[str, Any]) -> Iterator[str]:
    about = fields.subject(finding)
    severity = fields.line(finding.get("severity"))
    said = ", ".join(prose(s) for s in (severity, fields.sureness(finding), about) if s)
    yield f"**{prose(fields.title(finding))}** ({said})"
    yield ""
    for quoted, source in fields.evidence(finding):
        yield f"- {code(quoted)} ({prose(source)})"
    remedy = fields.line(finding.get("remedy"))
    if remedy:
        yield ""
        yield f"What to do: {prose(remedy)}"


def _processes(document: Mapping[str, Any]) -> Iterator[str]:
    nodes = fields.tree(document)
    yield from _headed("Processes")
    if not nodes:
        yield _absent(document, "process")
        return
    yield "CPU and I/O are those between two looks; a process stands below the one that started it."
    rows = [list(_TABLE)]
    for node in nodes:
        p = node.process
        rows.append(
            [
                "  " * len(node.lasts) + (fields.line(p.get("pid")) or "?"),
                fields.line(p.get("role"), 20) or "?",
                fields.line(p.get("status"), 20) or "?",
                fields.share(p.get("cpu")),
                fields.rate(p.get("io")),
                units.size(fields.number(p.get("rss"))),
                fields.line(p.get("wchan"), 60),
                fields.stack(p),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TABLE) - 1)]
    yield ""
    yield from fenced(
        "  ".join((*(c.ljust(w) for c, w in zip(row[:-1], widths, strict=True)), row[-1])).rstrip()
        for row in rows
    )


def _loader(document: Mapping[str, Any]) -> Iterator[str]:
    if not fields.part(document, "config"):
        return
    yield from _headed(LOADER_KEY)
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


def _gpu(document: Mapping[str, Any]) -> Iterator[str]:
    yield from _headed("GPU")
    devices = list(surroundings.gpus(document))
    table = document.get("nvidia_smi")
    has_table = isinstance(table, str) and bool(table.strip())
    if devices:
        yield from fenced(devices)
    if has_table:
        if devices:
            yield ""
        yield from fenced(fields.line(row) for row in str(table).strip("\r\n").splitlines())
    elif not devices:
        why = surroundings.why_unseen(document, "gpu", "nvidia")
        yield f"Not observed: {prose(why)}" if why else "Not observed."


def _host(document: Mapping[str, Any]) -> Iterator[str]:
    yield from _headed("Host and software")
    shown = surroundings.host(document)
    yield from (f"- {prose(said)}" for said in shown)
    if not shown:
        yield f"- {_absent(document, 'host', 'memory')}"
    environment = fields.part(document, "environment")
    for name in ("dualwatch", "python", "platform"):
        if environment.get(name):
            yield f"- {name}: {code(fields.line(environment[name]))}"
    for name in ("versions", "variables"):
        pairs = fields.part(environment, name).items()
        if pairs:
            said = ", ".join(code(f"{fields.line(k)}={fields.line(v)}") for k, v in pairs)
            yield f"- {name}: {said}"
    kernel = fields.texts(fields.part(document, "host"), "kernel")
    if kernel:
        yield ""
        yield "The kernel says:"
        yield ""
        yield from fenced(kernel)


def _log(document: Mapping[str, Any]) -> Iterator[str]:
    tail = fields.texts(document, "log_tail")
    yield from _headed("End of the log")
    if not tail:
        yield _absent(document, "log", "console")
        return
    path = fields.line(document.get("log_path"))
    if path:
        yield f"From {code(path)}:"
        yield ""
    yield from fenced(tail)


def _unseen(document: Mapping[str, Any]) -> Iterator[str]:
    unseen = fields.parts(document, "not_observed")
    yield from _headed("What could not be observed")
    if not unseen:
        yield "Everything that was asked for answered."
    for item in unseen:
        what = prose(fields.line(item.get("what")) or "?")
        yield f"- {what}: {prose(fields.line(item.get('why')) or '?')}"


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


def _making(document: Mapping[str, Any], legend: Mapping[str, int] | None) -> Iterator[str]:
    yield from _headed("How this was made")
    took = fields.number(document.get("took_s"))
    in_time = f" in {units.span(took)}" if took is not None else ""
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


def _absent(document: Mapping[str, Any], *needles: str) -> str:
    why = surroundings.why_unseen(document, *needles)
    return f"Not observed: {prose(why)}" if why else "Not observed."
