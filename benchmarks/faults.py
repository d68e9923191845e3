"""The fault corpus: is the true cause named first, how soon, and are healthy trainings left alone?

Runs every case of ``tests/corpus`` under the real command. Bars: the true cause first in 95 % of
the faulty cases; no healthy case acted on or accused; a cause named within 30 s of the last
iteration (median). Exits with 1 where one is missed. What cannot be run here is listed, not
counted.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

from dualwatch.core.policies import StallPolicy

from benchmarks.measure import machine, say, table
from tests.corpus import exercise
from tests.corpus.case import Case
from tests.corpus.corpus import CASES
from tests.corpus.judged import Judged
from tests.corpus.table.healthy import LOCKS_GIVEN_BACK

FIRST_SHARE = 0.95
MEDIAN_SECONDS = 30.0
PROVEN_SECONDS = 60.0
"""With default settings."""

HEADERS = (
    *("case", "true cause", "expected", "named first", "sure", "suspected", "named", "continued"),
    "right",
)


def main() -> int:
    """Runs the cases and prints the table, the totals and the bars."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default=".", metavar="PATTERN", type=re.compile, help="cases whose name matches"
    )
    parser.add_argument("--jobs", type=int, default=cpu_count() or 1, help="side by side")
    parser.add_argument("--stall-timeout", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument(
        "--default-timeouts",
        action="store_true",
        help="the stalls that are proven, and the locks that are given back, with default settings",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what the runs wrote there")
    arguments = parser.parse_args()
    wanted = [case for case in CASES if arguments.only.search(case.name)]
    seconds = arguments.stall_timeout
    if arguments.default_timeouts:
        wanted = [case for case in wanted if case.provable or case in LOCKS_GIVEN_BACK]
        seconds = StallPolicy().stall_timeout
    if not wanted:
        parser.error(f"no case's name matches {arguments.only.pattern!r}")
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="dualwatch-faults-"))
    try:
        results = run_all(
            wanted, folder, seconds, arguments.jobs, default_timeouts=arguments.default_timeouts
        )
    finally:
        if arguments.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{machine()}; stall timeout {seconds:g} s, {arguments.jobs} at a time\n")
    print(table(HEADERS, [row(result) for result in results]))
    bars = totals(results, PROVEN_SECONDS if arguments.default_timeouts else MEDIAN_SECONDS)
    print("\n" + "\n".join(f"- {text}" for text, _ in bars))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([document(r) for r in results], indent=1))
    return 0 if all(kept for _, kept in bars) else 1


def run_all(
    cases: Sequence[Case],
    folder: Path,
    stall_timeout: float,
    jobs: int,
    *,
    default_timeouts: bool = False,
) -> list[Judged]:
    """Runs cases side by side; gives their results in the order of the cases."""

    def one(case: Case) -> Judged:
        result = exercise.run(case, folder, stall_timeout, default_timeouts=default_timeouts)
        say(f"{'ok  ' if result.right else 'skip' if result.skipped else 'MISS'} {brief(result)}")
        return result

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(one, cases))


def totals(results: Sequence[Judged], longest: float = MEDIAN_SECONDS) -> list[tuple[str, bool]]:
    """Each bar in words, and whether it is kept.

    Args:
        longest: Seconds from the last iteration to the true cause, at most (median).
    """
    ran = [result for result in results if not result.skipped]
    faulty = [result for result in ran if not result.case.healthy]
    healthy = [result for result in ran if result.case.healthy]
    right = sum(result.right for result in faulty)
    share = right / len(faulty) if faulty else 1.0
    alarms = [result.case.name for result in healthy if result.false_alarm]
    # Left alone because nobody looked, or because it never ran: that shows nothing.
    broken = [result.case.name for result in healthy if not result.right and not result.false_alarm]
    median = _median(faulty)
    of_stalls = _median([r for r in faulty if r.case.expected[0].startswith("DW1")])
    skipped = [f"{r.case.name} ({r.skipped})" for r in results if r.skipped]
    return [
        (
            f"true cause first: {right} of {len(faulty)} faulty cases ({share:.0%}; "
            f"at least {FIRST_SHARE:.0%})",
            share >= FIRST_SHARE,
        ),
        (
            f"false alarms: {len(alarms)} of {len(healthy)} healthy cases {_names(alarms)}",
            not alarms,
        ),
        (f"healthy cases that did not come about: {len(broken)} {_names(broken)}", not broken),
        (
            f"from the last iteration to the true cause: median {median:.1f} s, of the stalls "
            f"{of_stalls:.1f} s (at most {longest:g} s)",
            max(median, of_stalls) <= longest,
        ),
        (
            f"from the last iteration to the next one: median {_median(faulty, 'continued'):.1f} s "
            f"of the {sum(r.continued is not None for r in faulty)} trainings that continued",
            True,
        ),
        (f"not run: {len(skipped)} {_names(skipped)}", True),
    ]


def row(result: Judged) -> list[str]:
    """A line of the table."""
    case = result.case
    verdict = "skipped" if result.skipped else "yes" if result.right else "**no**"
    first = result.first or "-"
    expected = " or ".join(case.expected) or "-"
    return [
        case.name,
        case.cause if not case.healthy else f"healthy: {case.cause}",
        expected,
        result.trouble[-60:] or first,
        f"{result.confidence:.2f}" if result.first else "-",
        _seconds(result.suspected),
        _seconds(result.named),
        _seconds(result.continued),
        verdict,
    ]


def brief(result: Judged) -> str:
    """A result in one line."""
    expected = "/".join(result.case.expected) or "nothing"
    if result.skipped:
        return f"{result.case.name}: {result.skipped}"
    said = f"{result.case.name}: {expected} expected, {result.first or 'nothing'} first"
    said += f", all {' '.join(result.codes)}; exit {result.exit_code}"
    said += f"; named after {_seconds(result.named)}" if result.named is not None else ""
    said += f"; acted: {' '.join(result.acted)}" if result.acted else ""
    return said + (f"; {result.trouble}" if result.trouble else "")


def document(result: Judged) -> dict[str, object]:
    """A result as a JSON-able dictionary."""
    return {
        "case": result.case.name,
        "healthy": result.case.healthy,
        "expected": list(result.case.expected),
        "first": result.first,
        "confidence": result.confidence,
        "codes": list(result.codes),
        "suspected_s": result.suspected,
        "named_s": result.named,
        "continued_s": result.continued,
        "acted": list(result.acted),
        "right": result.right,
        "false_alarm": result.false_alarm,
        "skipped": result.skipped,
        "trouble": result.trouble,
    }


def _median(results: Sequence[Judged], what: str = "named") -> float:
    times = [seconds for r in results if r.right and (seconds := getattr(r, what)) is not None]
    return statistics.median(times) if times else 0.0


def _names(names: Sequence[str]) -> str:
    return f"({', '.join(names)})" if names else ""


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
