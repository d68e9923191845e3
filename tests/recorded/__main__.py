"""Compares what this version says of every recorded run with what was expected.

``python -m tests.recorded`` replays all journals and runs ``check --json`` and ``diagnose --json``
on all folders; ``--expect`` writes what it finds as the new expectation, whose differences a commit
then shows. Exits with 1 where something differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dualwatch.events import journal

from tests.recorded import documents, runs
from tests.recorded.replay import Replay


def answers_of(name: str) -> dict[str, Any]:
    """All that is said of a run."""
    folder = runs.journal_of(name).parent.parent
    replayed = Replay().run(journal.read(runs.journal_of(name)))
    answers = {"replay": replayed, **documents.of(folder)}
    return dict(json.loads(json.dumps(answers)))


def main() -> int:
    """Prints each difference in a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expect", action="store_true", help="write the answers down")
    parser.add_argument("--only", default="", help="runs whose name has this in it")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    names = [name for name in sorted(runs.expected()) if arguments.only in name]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        found = dict(zip(names, pool.map(answers_of, names), strict=True))
    differences = [
        line for name in names for line in _differences(name, runs.expected()[name], found[name])
    ]
    print("\n".join(differences))
    changed = len({line.split(":")[0] for line in differences})
    print(f"{len(names)} runs, {changed} with differences")
    if arguments.expect:
        text = json.dumps(runs.expected() | found, indent=0, sort_keys=True, ensure_ascii=False)
        (runs.FOLDER / "expected.json").write_text(text + "\n", encoding="utf-8")
        return 0
    return 1 if differences else 0


def _differences(where: str, before: Any, now: Any) -> list[str]:
    if before == now:
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted({*before, *now})
            for line in _differences(f"{where}: {key}", before.get(key), now.get(key))
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [
            line
            for number, (one, other) in enumerate(zip(before, now, strict=True))
            for line in _differences(f"{where}[{number}]", one, other)
        ]
    return [f"{where}: was {json.dumps(before)}, is {json.dumps(now)}"]


if __name__ == "__main__":
    sys.exit(main())
