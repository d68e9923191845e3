"""Builds the library of complex_math.c and leads numpy and torch to it.

usage: add_complex_math.py PYTHON SYSTEM SOURCE

A program asks for the set "api-ms-win-crt-math": Wine answers with its own C library whatever lies
beside the program. So the name is changed in the files that use complex functions, and a library
of the changed name defines these and hands on all others.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ASKED = b"api-ms-win-crt-math-l1-1-0.dll"
OURS = b"dw" + ASKED[2:]
TOOLS = "/usr/bin/x86_64-w64-mingw32-"


def main(python: Path, system: Path, source: Path) -> None:
    text = re.sub(r"#define.*?(?<!\\)\n", "", source.read_text(), flags=re.DOTALL)
    named = re.findall(r"(?:COMPLEX|REAL)\((\w+)\)", text) + ["cpow"]
    ours = {name + end for name in named for end in ("", "f", "l")}
    packages = python / "Lib/site-packages"
    files = [*packages.glob("numpy/**/*.pyd"), *packages.glob("torch/lib/*.dll")]
    wanted: set[str] = set()
    changed = []
    for file in files:
        names = imports(system, file)
        if names & ours:
            wanted |= names
            changed.append(file)
    work = system / "root/complex"
    work.mkdir(exist_ok=True)
    shutil.copy(source, work / "complex.c")
    rows = [f"  {n} = {'dw_' if n in ours else 'ucrtbase.'}{n}" for n in sorted(wanted | ours)]
    (work / "complex.def").write_text(
        f'LIBRARY "{OURS.decode()}"\nEXPORTS\n' + "\n".join(rows) + "\n"
    )
    build = [TOOLS + "gcc", "-O2", "-fno-builtin", "-shared", "-static-libgcc"]
    inside(system, *build, "-o", "/root/complex/out.dll", "/root/complex/complex.c",
           "/root/complex/complex.def")  # fmt: skip
    shutil.copy(work / "out.dll", python / OURS.decode())
    for file in changed:
        file.write_bytes(file.read_bytes().replace(ASKED, OURS))


def imports(system: Path, file: Path) -> set[str]:
    """The functions that a file asks that set for, by either name."""
    data = file.read_bytes()
    if ASKED not in data and OURS not in data:
        return set()
    copy = system / "root/asked.bin"
    copy.write_bytes(data)
    shown = inside(system, TOOLS + "objdump", "-p", "/root/asked.bin")
    copy.unlink()
    found: set[str] = set()
    ours = False
    for line in shown.splitlines():
        if "DLL Name:" in line:
            ours = line.split()[-1].encode() in (ASKED, OURS)
        elif ours and (
            match := re.match(r"\s+[0-9a-f]+\s+(?:<none>\s+[0-9a-f]+|\d+)\s+(\w+)", line)
        ):
            found.add(match[1])
    return found


def inside(system: Path, *words: str) -> str:
    done = subprocess.run(
        ["chroot", str(system), *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
