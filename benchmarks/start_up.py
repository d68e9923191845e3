"""How long ``dualwatch --help`` takes, beside ``torchrun --help`` and a Python that does nothing.

Target: at most 0.25 s and 40 MB.
"""

from __future__ import annotations

import functools
import sys

from benchmarks import measure


def main() -> None:
    """Measures and prints."""
    options = measure.arguments(__doc__, runs=9).parse_args()
    wanted = {
        "dualwatch --help": [measure.script("dualwatch"), "--help"],
        "torchrun --help": [measure.script("torchrun"), "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    commands = {
        name: [word for word in words if word is not None]
        for name, words in wanted.items()
        if words[0] is not None
    }
    print(f"{measure.machine()}; runs of each, in turn: {options.runs}; median (quartiles)\n")
    for words in commands.values():
        measure.run(words)  # The first run reads the files from the disk.
    measures = [functools.partial(measure.run, words) for words in commands.values()]
    costs = dict(zip(commands, measure.alternate(options.runs, measures), strict=True))
    ours = costs.get("dualwatch --help")
    rows = []
    for name in wanted:
        if name not in costs:
            rows.append([name, "not installed", "", "", "", ""])
            continue
        mine = costs[name]
        if any(cost.code for cost in mine):
            name += f" (exit code {max(cost.code for cost in mine)})"
        against = ["", ""]
        if ours is not None:
            against = [
                measure.show(measure.ratios([c.wall for c in mine], [c.wall for c in ours])),
                measure.show(measure.ratios([c.peak for c in mine], [c.peak for c in ours])),
            ]
        rows.append(
            [
                name,
                measure.show(measure.spread([cost.wall for cost in mine]), 3, " s"),
                measure.show(measure.spread([cost.cpu for cost in mine]), 3, " s"),
                measure.show(measure.spread([cost.peak / measure.MB for cost in mine]), 1, " MB"),
                *against,
            ]
        )
    headers = ["command", "wall", "CPU", "peak memory", "wall / dualwatch's", "peak / dualwatch's"]
    print(measure.table(headers, rows))


if __name__ == "__main__":
    main()
