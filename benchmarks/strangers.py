"""Strangers' trainings: does dualwatch answer what an expert would say from the same text?

Asks ``diagnose`` and ``check`` about every input of ``tests/strangers`` and compares their fields
with the truth. Bars: 95 % right, no false all-clear, no crash, every sound twin sound. Exits with
1 where one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measure import machine, table
from tests.strangers import consistency, known
from tests.strangers.answers import ask, missing
from tests.strangers.case import TITLES, Case, Kind
from tests.strangers.corpus import CASES
from tests.strangers.judge import Grade, Graded, grade

RIGHT_SHARE = 0.95
HEADERS = ("kind", "inputs", *(one.value for one in Grade), "twins", "sound", "accused")


def main() -> int:
    """Asks, prints the table by kind, the faults and the bars."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = [kind.value for kind in Kind]
    parser.add_argument("--kind", choices=kinds, action="append", help="only these kinds")
    parser.add_argument("--only", default="", metavar="TEXT", help="names that contain it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument(
        "--known", action="store_true", help="write what is not right to tests/strangers/known.txt"
    )
    arguments = parser.parse_args()
    wanted = [
        case
        for case in CASES
        if case.kind.value in (arguments.kind or kinds) and arguments.only in case.name
    ]
    able = [case for case in wanted if not missing(case)]
    results = ask_all(able)
    print(machine() + "\n")
    print(table(HEADERS, rows(results)))
    print("\n" + "\n".join(told(results)))
    for case in wanted:
        if case not in able:
            print(f"not asked, {', '.join(missing(case))} is missing: {case.name}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([document(one) for one in results], indent=1))
    if arguments.known:
        asked = {one.case.name for one in results}
        wrong = {one.case.name for one in results if not is_right(one)}
        known.write((known.names() - asked) | wrong)
    kept = bars(results)
    print("\n" + "\n".join(f"- {text}" for text, _ in kept))
    return 0 if all(good for _, good in kept) else 1


def ask_all(cases: Sequence[Case]) -> list[Graded]:
    """Their grades, in the order of the cases; configurations wait for processes of their own."""

    def one(case: Case) -> Graded:
        with tempfile.TemporaryDirectory(prefix="dualwatch-strangers-") as folder:
            return grade(case, ask(case, Path(folder)))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(one, cases))


def is_right(one: Graded) -> bool:
    """Whether the answer is the truth, and both commands agree."""
    return one.grade is Grade.RIGHT and not consistency.contradictions(one.answer)


def rows(results: Sequence[Graded]) -> list[tuple[str, ...]]:
    """A row a kind, and the sum."""
    found = []
    for kind in [*Kind, None]:
        mine = [one for one in results if kind in (None, one.case.kind)]
        sick = [one for one in mine if not one.case.twin]
        twins = [one for one in mine if one.case.twin]
        if not mine:
            continue
        grades = Counter(one.grade for one in sick)
        found.append(
            (
                f"{kind.value} {TITLES[kind]}" if kind is not None else "all",
                str(len(sick)),
                *(str(grades[one]) for one in Grade),
                str(len(twins)),
                str(sum(one.grade is Grade.RIGHT for one in twins)),
                str(sum(one.accused for one in twins)),
            )
        )
    return found


def told(results: Sequence[Graded]) -> list[str]:
    """Each input that is not right, and what is wrong."""
    lines = []
    for one in results:
        if is_right(one):
            continue
        clashes = consistency.contradictions(one.answer)
        lines.append(f"{one.case.kind.value} {one.grade.value}: {one.case.name}")
        lines += [f"    {fault}" for fault in one.faults]
        lines += [f"    contradiction: {clash.value}" for clash in sorted(clashes, key=str)]
    return lines


def document(one: Graded) -> dict[str, object]:
    """A result as JSON."""
    first = one.answer.first
    return {
        "name": one.case.name,
        "kind": one.case.kind.value,
        "twin": one.case.twin,
        "grade": one.grade.value,
        "faults": list(one.faults),
        "contradictions": [clash.name for clash in consistency.contradictions(one.answer)],
        "exit": one.answer.exit,
        "check_exit": one.answer.check_exit,
        "cause": first.code if first is not None else None,
    }


def bars(results: Sequence[Graded]) -> list[tuple[str, bool]]:
    """Each bar in words, and whether it is kept."""
    sick = [one for one in results if not one.case.twin]
    twins = [one for one in results if one.case.twin]
    right = sum(one.grade is Grade.RIGHT for one in sick)
    clear = sum(one.grade is Grade.ALL_CLEAR for one in sick)
    crashed = sum(one.grade is Grade.CRASH for one in results)
    sound = sum(one.grade is Grade.RIGHT for one in twins)
    share = right / len(sick) if sick else 1.0
    clashing = sum(bool(consistency.contradictions(one.answer)) for one in results)
    return [
        (f"right: {right} of {len(sick)} ({share:.0%}; bar 95 %)", share >= RIGHT_SHARE),
        (f"false all-clears: {clear}", clear == 0),
        (f"crashes: {crashed}", crashed == 0),
        (f"sound twins sound: {sound} of {len(twins)}", sound == len(twins)),
        (f"contradictions of the two commands: {clashing}", clashing == 0),
    ]


if __name__ == "__main__":
    sys.exit(main())
