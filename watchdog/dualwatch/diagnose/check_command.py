"""``dualwatch check``: once or until all is decided, as text, JSON or JUnit XML."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from dualwatch.checks import profiles
from dualwatch.checks.document import CheckDocument, CheckList, ListedItem
from dualwatch.core import units
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.json_codec import printed
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import check
from dualwatch.diagnose.check import Checked, Wanted
from dualwatch.diagnose.diagnose_command import WIDEST
from dualwatch.report.terminal import checklist, console, progress

EVERY_S = 5.0
"""Seconds between two looks of ``--watch``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What the command line says.

    Attributes:
        select: Ids or stages, each perhaps several with commas.
        ignore: "ID" or "ID=WHY".
    """

    path: Path | None = None
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    all_pairs: bool = False
    watch: bool = False
    junit_xml: Path | None = None
    as_json: bool = False
    verbose: bool = False


def run(order: CheckOptions, policy: CheckPolicy) -> Exit:
    """Goes through the checklist, prints it, and gives the exit code of the contract.

    Raises:
        DualwatchError: Target or item does not exist, or the profile is not valid.
    """
    target = check.resolve(order.path)
    wanted = Wanted(
        select=_split(order.select), ignore=_reasons(order.ignore), all_pairs=order.all_pairs
    )

    def look(advance: Callable[[str, int, int], None] = lambda what, done, total: None) -> Checked:
        return check.check(target, policy, wanted, progress=advance)

    if order.watch:
        checked = _watched(look, order)
    else:
        with progress.bar("looking at images and pairs") as advance:
            checked = look(_together(advance))
    document = check.document(checked)
    _write_junit(order.junit_xml, document)
    if order.as_json:
        console.write_out(printed(document))
    else:
        for line in page(document, sys.stdout, verbose=order.verbose):
            console.write_out(line + "\n")
    return checked.code


def name_items(order: CheckOptions, policy: CheckPolicy) -> Exit:
    """Lists the items of the profile in force without evaluating them."""
    path = order.path
    words = list(policy.required or ())
    if path is not None and path.suffix == ".py":
        words.append(path.name)
    choice = profiles.choose(
        policy.profile, policy.profile_from, config=path.name if path else "", words=words
    )
    items = check.chosen(choice.profile.all_items, _split(order.select))
    if order.as_json:
        listed = [ListedItem(id=i.id, stage=i.stage, title=i.title, code=i.code) for i in items]
        document = CheckList(profile=choice.profile.name, items=listed)
        console.write_out(printed(document))
        return Exit.OK
    for item in items:
        console.write_out(f"{item.stage:<11}{item.id:<22}{item.title}\n")
    return Exit.OK


def _together(advance: Callable[[int, int], None]) -> Callable[[str, int, int], None]:
    """One progress bar for everything that is read at the same time."""
    seen: dict[str, tuple[int, int]] = {}

    def show(what: str, done: int, total: int) -> None:
        seen[what] = (done, total)
        advance(*(sum(numbers) for numbers in zip(*seen.values(), strict=True)))

    return show


# --- until all is decided --------------------------------------------------------------------


def _watched(look: Callable[[], Checked], order: CheckOptions) -> Checked:
    """Repeats the check until nothing is pending or the training has ended."""
    before: dict[str, str] = {}
    with _display(order) as show:
        while True:
            checked = look()
            document = check.document(checked)
            show(document, before)
            before = {item.id: item.status for item in document.entries}
            if checked.is_decided or checked.life.value in ("over", "planned"):
                return checked
            time.sleep(EVERY_S)


def _display(
    order: CheckOptions,
) -> AbstractContextManager[Callable[[CheckDocument, Mapping[str, str]], None]]:
    if not order.as_json and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _Live()
    return nullcontext(_print_changes)


def _print_changes(document: CheckDocument, before: Mapping[str, str]) -> None:
    """Prints a dated line for each changed item, without a terminal."""
    stamp = units.clock(time.time())
    for item in document.entries:
        last = before.get(item.id)
        if item.status == last or (last is None and item.status in ("pass", "skip")):
            continue
        text = f"{stamp} {item.status}: {item.title}: {item.observed}"
        sys.stderr.write(console.plain_text(text) + "\n")
    sys.stderr.flush()


class _Live:
    """Open items on a terminal, redrawn at each check and removed at the end."""

    def __init__(self) -> None:
        from rich.live import Live

        self._console = console.make(sys.stderr)
        # While it is live, stderr is Rich's own, which knows no encoding.
        self._fancy = console.holds_unicode(sys.stderr)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Callable[[CheckDocument, Mapping[str, str]], None]:
        self._live.start()
        return self._show

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def _show(self, document: CheckDocument, before: Mapping[str, str]) -> None:
        from rich.text import Text

        lines = checklist.glance(
            document,
            width=min(self._console.width, WIDEST),
            height=self._console.height - 1,
            color=not self._console.no_color,
            fancy=self._fancy,
        )
        self._live.update(Text.from_ansi("\n".join(lines)), refresh=True)


def page(document: CheckDocument, stream: TextIO, *, verbose: bool) -> list[str]:
    """The checklist as lines for a stream."""
    out = console.make(stream)
    return list(
        checklist.lines(
            document,
            width=min(out.width, WIDEST),
            color=out.is_terminal and not out.no_color,
            fancy=console.holds_unicode(stream),
            verbose=verbose,
        )
    )


# --- words of the command line ---------------------------------------------------------------


def _split(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for word in words for part in word.split(",") if part.strip())


def _reasons(words: Sequence[str]) -> dict[str, str]:
    pairs = (word.partition("=") for word in words)
    return {name.strip(): why.strip() or "on the command line" for name, _, why in pairs}


def _write_junit(path: Path | None, document: CheckDocument) -> None:
    if path is None:
        return
    from dualwatch.report.terminal import junit

    try:
        path.write_text(junit.xml(document), encoding="utf-8")
    except OSError as error:
        raise DualwatchError(
            f"{path} cannot be written",
            why=error.strerror or str(error),
            do="name another file with --junit-xml",
        ) from None
