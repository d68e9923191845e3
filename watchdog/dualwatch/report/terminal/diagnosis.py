"""What ``dualwatch diagnose`` prints: the likeliest cause first, then all that it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualwatch.core import units
from dualwatch.frameworks import LOADER_KEY
from dualwatch.report.bundle.bundle import Bundle
from dualwatch.report.terminal import environment, fields
from dualwatch.report.terminal.console import Paint, painter
from dualwatch.report.terminal.wrapping import clipped, wrapped

NARROWEST = 50
MOST_PROCESSES = 40
MOST_WRITTEN = 12
MOST_EVIDENCE = 8
MOST_LINES_OF_ONE = 4
MOST_OF_A_PARAGRAPH = 30

_SEVERITY_STYLE = {"info": "", "warning": "yellow", "error": "red", "critical": "bold red"}


def lines(
    document: Mapping[str, Any],
    *,
    width: int,
    color: bool,
    fancy: bool = False,
    bundle: Bundle | None = None,
) -> Iterator[str]:
    """The diagnosis for people, line by line.

    Args:
        width: Columns of the terminal.
        color: Whether to paint with escape sequences.
        fancy: Whether the stream holds signs beyond ASCII, see ``console.holds_unicode``.
        bundle: Where all of it was written to.
    """
    page = _Page(max(width, NARROWEST), painter(color), fancy)
    sections = (
        page.standing(document),
        page.causes(document),
        page.others(document),
        page.processes(document),
        page.loader(document),
        page.gpus(document),
        page.host(document),
        page.log(document),
        page.unseen(document),
        page.ending(document, bundle),
    )
    between = False
    for section in sections:
        for number, text in enumerate(section):
            if number == 0 and between:
                yield ""
            yield text
            between = True


class _Page:
    """Sections of so many columns; each begins with its title, and is empty where nothing is."""

    def __init__(self, width: int, paint: Paint, fancy: bool) -> None:
        self._width = width
        self._paint = paint
        self._fancy = fancy

    # --- sections ----------------------------------------------------------------------------

    def standing(self, document: Mapping[str, Any]) -> Iterator[str]:
        yield self._title(fields.target(document))
        standing = fields.part(document, "standing")
        sentence = fields.line(standing.get("sentence"))
        yield from self._wrapped(sentence or "Where it stands could not be told.", "  ")
        progress = fields.progress(document)
        if progress:
            yield self._dim(self._clipped(f"  {progress}"))
        last = fields.line(standing.get("last_line"))
        if last:
            yield self._dim(self._clipped(f"  last line: {last}"))

    def causes(self, document: Mapping[str, Any]) -> Iterator[str]:
        causes = fields.parts(document, "causes")
        if not causes:
            yield from self._wrapped(fields.no_cause(document), "", most=MOST_OF_A_PARAGRAPH)
            return
        likeliest = causes[0]
        yield self._title("Likeliest cause")
        about = fields.subject(likeliest)
        head = f"{fields.title(likeliest)}: {fields.sureness(likeliest)}"
        style = _SEVERITY_STYLE.get(str(likeliest.get("severity")), "")
        yield self._styled(self._clipped(f"  {head}" + (f" ({about})" if about else "")), style)
        shown = list(fields.evidence(likeliest))
        for text, source in shown[:MOST_EVIDENCE]:
            yield from self._wrapped(text, "  - ", tail=source)
        if len(shown) > MOST_EVIDENCE:
            yield self._dim(f"    and {len(shown) - MOST_EVIDENCE} more, see the bundle")
        remedy = fields.line(likeliest.get("remedy"))
        if remedy:
            yield from self._wrapped(remedy, "  What to do: ", most=MOST_OF_A_PARAGRAPH)

    def others(self, document: Mapping[str, Any]) -> Iterator[str]:
        causes = fields.parts(document, "causes")[1:]
        if causes:
            yield self._title("Other possible causes")
            for cause in causes:
                yield from self._short(cause, fields.sureness(cause))
        findings = fields.other_findings(document)
        if findings:
            if causes:
                yield ""
            yield self._title("Also found")
            for finding in findings:
                yield from self._short(finding, fields.line(finding.get("severity")))

    def processes(self, document: Mapping[str, Any]) -> Iterator[str]:
        nodes = fields.tree(document)
        if not nodes:
            return
        yield self._title("Processes")
        rows = [
            ("pid", "role", "state", "CPU", "I/O", "memory", "waits in"),
            *map(self._row, nodes),
        ]
        rows = rows[: MOST_PROCESSES + 1]
        # What a process waits in has no end of its own: it gets what is left.
        widths = [max(len(row[column]) for row in rows) for column in range(6)]
        for row, node in zip(rows, (None, *nodes), strict=False):
            cells = [cell.ljust(size) for cell, size in zip(row[:6], widths, strict=True)]
            text = self._clipped(f"  {'  '.join((*cells, row[6]))}".rstrip())
            if node is None:
                yield self._dim(text)
                continue
            yield text
            stack = fields.stack(node.process)
            if stack:
                yield self._dim(self._clipped(f"  {self._branch(node, below=True)}{stack}"))
        if len(nodes) > MOST_PROCESSES:
            yield self._dim(f"  and {len(nodes) - MOST_PROCESSES} more, see the bundle")

    def loader(self, document: Mapping[str, Any]) -> Iterator[str]:
        config = fields.part(document, "config")
        if not config:
            return
        yield self._title(LOADER_KEY)
        source = environment.config_source(document)
        if source:
            yield self._dim(self._clipped(f"  {source}"))
        settings = environment.loader(document)
        yield from self._wrapped(settings or "not loaded", "  as loaded: ", most=8)
        written = environment.written(document)
        if not written:
            return
        yield "  as written:"
        yield from (self._clipped(f"    {text}") for text in written[:MOST_WRITTEN])
        if len(written) > MOST_WRITTEN:
            yield self._dim(f"    and {len(written) - MOST_WRITTEN} more lines, see the bundle")

    def gpus(self, document: Mapping[str, Any]) -> Iterator[str]:
        yield self._title("GPU")
        devices = list(environment.gpus(document))
        for text in devices:
            yield from self._wrapped(text, "  ")
        table = document.get("nvidia_smi")
        if isinstance(table, str) and table.strip():
            rows = [fields.line(row) for row in table.strip("\r\n").splitlines()]
            # The table has 79 or 91 columns of its own: it stands at the margin.
            yield from (self._clipped(row, mark="") for row in rows)
        elif not devices:
            why = environment.why_unseen(document, "gpu", "nvidia")
            yield from self._wrapped(f"not observed: {why}" if why else "not observed", "  ")

    def host(self, document: Mapping[str, Any]) -> Iterator[str]:
        shown = environment.host(document)
        kernel = fields.texts(fields.part(document, "host"), "kernel")
        if shown:
            yield self._title("Host")
        for text in shown:
            for row in self._wrapped(text, "  "):
                yield self._styled(row, "yellow") if "(tight)" in row else row
        for text in kernel[-3:] if shown else ():
            yield self._clipped(f"  kernel: {text}")

    def log(self, document: Mapping[str, Any]) -> Iterator[str]:
        tail = fields.texts(document, "log_tail")
        if not tail:
            return
        path = fields.line(document.get("log_path"))
        last = f"last {len(tail)} lines" if len(tail) != 1 else "last line"
        yield self._title(f"Log: {last} of {path}" if path else f"Log: {last}")
        yield from (self._clipped(f"  {text}".rstrip()) for text in tail)

    def unseen(self, document: Mapping[str, Any]) -> Iterator[str]:
        unseen = fields.parts(document, "not_observed")
        if unseen:
            yield self._title("Not observed")
        for item in unseen:
            what = fields.line(item.get("what")) or "?"
            yield from self._wrapped(fields.line(item.get("why")) or "?", f"  {what}: ")

    def ending(self, document: Mapping[str, Any], bundle: Bundle | None) -> Iterator[str]:
        codes = [fields.line(finding.get("code")) for finding in fields.parts(document, "causes")]
        if bundle is not None:
            # Paths are for copying: they are never cut.
            yield self._title("All of it was written to")
            yield f"  {fields.line(str(bundle.folder))}"
            yield f"  {fields.line(str(bundle.archive))}"
        if codes:
            yield f"What a code means: dualwatch explain {codes[0]}"

    # --- lines -------------------------------------------------------------------------------

    def _title(self, text: str) -> str:
        return self._paint(self._clipped(text), "bold")

    def _dim(self, text: str) -> str:
        return self._styled(text, "dim")

    def _styled(self, text: str, style: str) -> str:
        return self._paint(text, style) if style else text

    def _short(self, finding: Mapping[str, Any], how: str) -> Iterator[str]:
        style = _SEVERITY_STYLE.get(str(finding.get("severity")), "")
        yield self._styled(self._clipped(f"  {fields.title(finding)} ({how})"), style)
        text = fields.headline(finding)
        if text:
            yield from self._wrapped(text, "    ", most=2)

    def _row(self, node: fields.Node) -> tuple[str, ...]:
        p = node.process
        return (
            self._branch(node) + (fields.line(p.get("pid")) or "?"),
            fields.line(p.get("role"), 12) or "?",
            fields.line(p.get("status"), 12) or "?",
            fields.share(p.get("cpu")),
            fields.rate(p.get("io")),
            units.size(fields.number(p.get("rss"))),
            fields.line(p.get("wchan"), 40),
        )

    def _branch(self, node: fields.Node, *, below: bool = False) -> str:
        """The lines of the tree before a process, or before what stands below it."""
        through, fork, end = ("│  ", "├─ ", "└─ ") if self._fancy else ("|  ", "|- ", "`- ")
        drawn = "".join("   " if last else through for last in node.lasts[:-1])
        if below:
            own = ("   " if node.lasts[-1] else through) if node.lasts else ""
            return drawn + own + (through if node.has_children else "   ")
        return drawn + ((end if node.lasts[-1] else fork) if node.lasts else "")

    def _clipped(self, text: str, mark: str = "...") -> str:
        return clipped(text, self._width, mark)

    def _wrapped(
        self, text: str, lead: str, *, tail: str = "", most: int = MOST_LINES_OF_ONE
    ) -> Iterator[str]:
        """A text over several lines, those after the first below it; the tail in a fainter tone."""
        said = f"{text} [{tail}]" if tail else text
        rows = wrapped(said, self._width, lead, most)
        mark = f" [{tail}]"
        for row in rows:
            if tail and row.endswith(mark):
                yield row[: -len(mark)] + self._dim(mark)
            else:
                yield row
