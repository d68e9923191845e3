"""What ``dualwatch diagnose`` prints: the evidence first, the verdict on the last screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dualwatch.events import Finding, Severity
from dualwatch.report.diagnosis import Diagnosis
from dualwatch.report.terminal import environment, processes, wording
from dualwatch.report.terminal.console import Paint, one_line, painter
from dualwatch.report.terminal.processes import Node
from dualwatch.report.terminal.wrapping import clipped, wrapped

NARROWEST = 50
MOST_PROCESSES = 40
MOST_WRITTEN = 12
MOST_EVIDENCE = 6
MOST_LINES_OF_ONE = 4
MOST_EARLIER = 5
MOST_OF_A_PARAGRAPH = 30

_STYLE = {Severity.WARNING: "yellow", Severity.ERROR: "red", Severity.CRITICAL: "bold red"}


def lines(
    document: Diagnosis,
    *,
    width: int,
    color: bool,
    fancy: bool = False,
    bundle: Path | None = None,
) -> Iterator[str]:
    """The diagnosis for people, line by line.

    Args:
        width: Columns of the terminal.
        color: Whether to paint with escape sequences.
        fancy: Whether the stream holds signs beyond ASCII, see ``console.holds_unicode``.
        bundle: The file that all of it was written to.
    """
    page = _Page(document, max(width, NARROWEST), painter(color), fancy)
    sections = (
        page.target(),
        page.log(),
        page.processes(),
        page.loader(),
        page.gpus(),
        page.host(),
        page.unseen(),
        page.others(),
        page.status(),
        page.verdict(),
        page.ending(bundle),
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

    def __init__(self, document: Diagnosis, width: int, paint: Paint, fancy: bool) -> None:
        self._document = document
        self._width = width
        self._paint = paint
        self._fancy = fancy

    # --- evidence ----------------------------------------------------------------------------

    def target(self) -> Iterator[str]:
        yield self._title(wording.target(self._document))

    def log(self) -> Iterator[str]:
        tail = self._document.log_tail
        if not tail:
            return
        path = one_line(self._document.log_path)
        last = f"last {len(tail)} lines" if len(tail) != 1 else "last line"
        yield self._title(f"Log: {last} of {path}" if path else f"Log: {last}")
        yield from (self._clipped(f"  {one_line(text)}".rstrip()) for text in tail)

    def processes(self) -> Iterator[str]:
        nodes = processes.tree(self._document.processes)
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
            stack = processes.stack(node.process)
            if stack:
                yield self._dim(self._clipped(f"  {self._branch(node, below=True)}{stack}"))
        if len(nodes) > MOST_PROCESSES:
            yield self._dim(f"  and {len(nodes) - MOST_PROCESSES} more, see the bundle")

    def loader(self) -> Iterator[str]:
        config = self._document.config
        if config is None:
            return
        yield self._title(one_line(config.loader_name))
        source = environment.config_source(self._document)
        if source:
            yield self._dim(self._clipped(f"  {source}"))
        settings = environment.loader(self._document)
        yield from self._wrapped(settings or "not loaded", "  as loaded: ", most=8)
        written = environment.written(self._document)
        if not written:
            return
        yield "  as written:"
        yield from (self._clipped(f"    {text}") for text in written[:MOST_WRITTEN])
        if len(written) > MOST_WRITTEN:
            yield self._dim(f"    and {len(written) - MOST_WRITTEN} more lines, see the bundle")

    def gpus(self) -> Iterator[str]:
        yield self._title("GPU")
        devices = list(environment.gpus(self._document))
        for text in devices:
            yield from self._wrapped(text, "  ")
        table = environment.nvidia_smi(self._document)
        # The table has 79 or 91 columns of its own: it is not indented.
        yield from (self._clipped(row, mark="") for row in table)
        if not table and not devices:
            why = one_line(self._document.why_unseen("gpu", "nvidia"))
            yield from self._wrapped(f"not observed: {why}" if why else "not observed", "  ")

    def host(self) -> Iterator[str]:
        shown = environment.host(self._document)
        if shown:
            yield self._title("Host")
        for text in shown:
            for row in self._wrapped(text, "  "):
                yield self._styled(row, "yellow") if "(tight)" in row else row
        for text in self._document.host.kernel[-3:] if self._document.host else ():
            yield self._clipped(f"  kernel: {one_line(text)}")

    def unseen(self) -> Iterator[str]:
        if self._document.not_observed:
            yield self._title("Not observed")
        for one in self._document.not_observed:
            yield from self._wrapped(one_line(one.why) or "?", f"  {one_line(one.what)}: ")

    def others(self) -> Iterator[str]:
        findings = self._document.other_findings
        if findings:
            yield self._title("Also found")
            for finding in findings:
                yield from self._short(finding, finding.severity.word)
        causes = self._document.causes[1:]
        if causes:
            if findings:
                yield ""
            yield self._title("Other possible causes")
            for cause in causes:
                yield from self._short(cause, wording.sureness(cause))

    # --- the verdict -------------------------------------------------------------------------

    def status(self) -> Iterator[str]:
        status = self._document.status
        yield self._title("Status")
        yield from self._wrapped(one_line(status.sentence) or "unknown", "  ")
        earlier = self._document.earlier
        if len(earlier) > MOST_EARLIER:
            yield self._dim(f"  {len(earlier) - MOST_EARLIER} earlier starts, see the bundle")
        for start in earlier[-MOST_EARLIER:]:
            yield from self._wrapped(one_line(start.sentence), "  earlier: ", most=2)
        progress = wording.progress(self._document)
        if progress:
            yield self._dim(self._clipped(f"  {progress}"))
        last = one_line(status.last_line)
        if last:
            yield self._dim(self._clipped(f"  last line: {last}"))

    def verdict(self) -> Iterator[str]:
        if not self._document.causes:
            said = wording.no_cause(self._document)
            yield from self._wrapped(said, "", most=MOST_OF_A_PARAGRAPH)
            return
        likeliest = self._document.causes[0]
        yield self._title("Likeliest cause")
        about = wording.subject(likeliest)
        head = f"{wording.title(likeliest)}: {wording.sureness(likeliest)}"
        style = _STYLE.get(likeliest.severity, "")
        yield self._styled(self._clipped(f"  {head}" + (f" ({about})" if about else "")), style)
        shown = list(wording.evidence(likeliest))
        for text, source in shown[:MOST_EVIDENCE]:
            yield from self._wrapped(text, "  - ", tail=source)
        if len(shown) > MOST_EVIDENCE:
            yield self._dim(f"    and {len(shown) - MOST_EVIDENCE} more, see the bundle")
        remedy = one_line(likeliest.remedy)
        if remedy:
            yield from self._wrapped(remedy, "  What to do: ", most=MOST_OF_A_PARAGRAPH)

    def ending(self, bundle: Path | None) -> Iterator[str]:
        if bundle is not None:
            # Paths are for copying: they are never cut.
            yield f"All of it: {one_line(str(bundle))}"
        if self._document.causes:
            yield f"Next:      dualwatch explain {one_line(self._document.causes[0].code)}"

    # --- lines -------------------------------------------------------------------------------

    def _title(self, text: str) -> str:
        return self._paint(self._clipped(text), "bold")

    def _dim(self, text: str) -> str:
        return self._styled(text, "dim")

    def _styled(self, text: str, style: str) -> str:
        return self._paint(text, style) if style else text

    def _short(self, finding: Finding, how: str) -> Iterator[str]:
        style = _STYLE.get(finding.severity, "")
        yield self._styled(self._clipped(f"  {wording.title(finding)} ({how})"), style)
        yield from self._wrapped(one_line(finding.headline), "    ", most=2)

    def _row(self, node: Node) -> tuple[str, ...]:
        pid, *rest = processes.cells(node.process)
        return (self._branch(node) + pid, *rest)

    def _branch(self, node: Node, *, below: bool = False) -> str:
        """The lines of the tree before a process, or before its details."""
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
