"""Size and shape of the supervisor: lines, rooms, imports between them, circles, ``Any``.

``python -m benchmarks.structure [FOLDER]`` measures this checkout, or the ``watchdog`` folder of
another one. A room is a package right below ``dualwatch``, or a loose module beside them. Floors
are the longest way down over the imports between rooms.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Mapping
from pathlib import Path

import grimp

PACKAGE = "dualwatch"


def main() -> int:
    """Prints one figure a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("watchdog"))
    folder = parser.parse_args().folder.resolve()
    sys.path.insert(0, str(folder))
    sources = sorted((folder / PACKAGE).rglob("*.py"))
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    of = {module: ".".join(module.split(".")[:2]) for module in graph.modules}
    rooms = sorted(set(of.values()) - {PACKAGE, f"{PACKAGE}.__main__"})
    below = {
        room: {of[o] for m in imports if of[m] == room for o in imports[m]} & set(rooms) - {room}
        for room in rooms
    }
    circles = _circles(imports)
    lines = sum(len(source.read_bytes().splitlines()) for source in sources)
    loose = [room for room in rooms if not graph.find_children(room)]
    folders = {source.parent for source in sources}
    figures = {
        "lines": lines,
        "modules": len(sources),
        "folders with modules": len(folders),
        "rooms": len(rooms),
        "loose modules": f"{len(loose)}: {', '.join(loose)}",
        "imports between rooms": sum(map(len, below.values())),
        "floors": _floors(below),
        "imports between modules": sum(map(len, imports.values())),
        "modules in circles": sum(map(len, circles)),
        "Any in annotations": sum(map(_anys, sources)),
    }
    for name, figure in figures.items():
        print(f"{name:24} {figure}")
    lengths = sorted(len(source.read_bytes().splitlines()) for source in sources)
    long = sum(length > 300 for length in lengths)
    print(f"{'modules over 300 lines':24} {long}, the longest {lengths[-1]}")
    return 0


def _floors(below: Mapping[str, set[str]]) -> int:
    known: dict[str, int] = {}

    def floor(room: str, above: tuple[str, ...] = ()) -> int:
        if room in above:
            return 0  # A circle has no floor of its own.
        if room not in known:
            known[room] = 1 + max((floor(one, (*above, room)) for one in below[room]), default=0)
        return known[room]

    return max(map(floor, below))


def _circles(imports: Mapping[str, set[str]]) -> list[set[str]]:
    """Groups of modules each of which reaches all the others."""
    reach: dict[str, set[str]] = {}
    for start in imports:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for other in imports.get(ahead.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    ahead.append(other)
        reach[start] = seen
    groups: list[set[str]] = []
    for one in imports:
        group = {other for other in reach[one] if one in reach.get(other, ())}
        if one in reach[one] and group not in groups:
            groups.append(group)
    return groups


def _anys(source: Path) -> int:
    """How often ``Any`` is written in annotations of a module."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    annotations: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            annotations.append(node.returns)
        elif isinstance(node, (ast.arg, ast.AnnAssign)):
            annotations.append(node.annotation)
    names = [part for one in annotations if one is not None for part in ast.walk(one)]
    return sum(isinstance(name, ast.Name) and name.id == "Any" for name in names)


if __name__ == "__main__":
    sys.exit(main())
