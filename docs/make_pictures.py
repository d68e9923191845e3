"""Takes the pictures of the documentation: real commands in a real terminal of 80 columns.

Run from the repository root: ``.venv/bin/python docs/make_pictures.py``; it takes some minutes and
needs tmux and the demo's data (``bootstrap.py demo`` makes it). ``--only NAME`` takes some of them.
What tmux shows is what is drawn: nothing is written by hand. The trainings go to
``work_dirs/pictures``, the pictures to ``docs/pictures``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
WORK = Path("work_dirs/pictures")
DEMO = "configs/demo/dualmacl_tiny_synthetic_2e_deadlock.py"
EARLY = "--cfg-options train_dataloader.dataset.dataset.pipeline.0.after_samples=40"
"""The demo's workers deadlock in epoch 2; here they do after some iterations."""

COLUMNS, LINES = 80, 24
VERDICT = 32
"""Lines at the end of ``diagnose``: other findings, status, likeliest cause, what to do."""

PATIENCE = 1800.0
"""Seconds after which a picture fails."""

SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-title {{ font: 18px sans-serif }}
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px 'DejaVu Sans Mono', Menlo, Consolas,
'Noto Sans Mono CJK SC', monospace; white-space: pre }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""
"""Rich's own fetches a font from the network."""

THEME = TerminalTheme(
    (24, 26, 31),
    (216, 219, 226),
    [
        (60, 64, 72),
        (240, 113, 120),
        (152, 195, 121),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 182, 194),
        (216, 219, 226),
    ],
)


class Terminal:
    """A tmux session of 80 columns with a plain shell; ended with all that runs in it."""

    def __init__(self, name: str, lines: int = LINES) -> None:
        self._server = f"dualwatch-pictures-{os.getpid()}-{name}"
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("DUALWATCH_", "TMUX"))}
        env = {**clean, "PATH": path, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        env["OMP_NUM_THREADS"] = "1"  # Beside other work, several threads wait for each other.
        size = ("-x", str(COLUMNS), "-y", str(lines))
        self._tmux("new-session", "-d", *size, "bash --noprofile --norc", env=env)
        self._tmux("set-option", "-g", "status", "off")
        self.type("PS1='$ '; clear; tmux clear-history")
        time.sleep(1)

    def _tmux(self, *words: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-L", self._server, "-f", os.devnull, *words]
        done = subprocess.run(
            command, env=env, cwd=ROOT, capture_output=True, text=True, check=True
        )
        return done.stdout

    def type(self, text: str) -> None:
        """Types a line and presses Enter."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def press(self, key: str) -> None:
        """Presses one key, such as ``C-c``."""
        self._tmux("send-keys", key)

    def shows(self, history: bool = False, colours: bool = False) -> str:
        """What can be seen, or all that was ever written to it."""
        start = ("-S", "-") if history else ()
        return self._tmux("capture-pane", "-p", *(("-e",) if colours else ()), *start)

    def wait(self, *signs: str) -> None:
        """Waits until all signs are shown; ends with what is shown instead after ``PATIENCE``."""
        deadline = time.monotonic() + PATIENCE
        while not all(sign in self.shows(history=True) for sign in signs):
            if time.monotonic() > deadline:
                raise SystemExit(f"{signs} never came; the terminal shows:\n{self.shows()}")
            time.sleep(0.5)

    def wait_for_prompt(self) -> None:
        """Until what was typed has ended."""
        deadline = time.monotonic() + PATIENCE
        while not self.shows().rstrip().endswith("\n$"):
            if time.monotonic() > deadline:
                raise SystemExit(f"it never ended; the terminal shows:\n{self.shows()}")
            time.sleep(0.5)

    def run(self, command: str) -> None:
        """Runs a command to its end."""
        self.type(command)
        time.sleep(1)  # The prompt before it is gone.
        self.wait_for_prompt()

    def close(self) -> None:
        """Ends the session."""
        self._tmux("kill-server")


@contextmanager
def terminal(name: str, lines: int = LINES) -> Iterator[Terminal]:
    """A terminal that is closed whatever happens."""
    opened = Terminal(name, lines)
    try:
        yield opened
    finally:
        opened.close()


def draw(name: str, seen: str, title: str, most: int = 100) -> None:
    """Writes what a terminal showed as a picture, at most so many lines of it."""
    (ROOT / WORK).mkdir(parents=True, exist_ok=True)
    (ROOT / WORK / f"{name}.ansi").write_text(seen, encoding="utf-8")
    lines = seen.rstrip("\n").split("\n")[:most]
    while lines and Text.from_ansi(lines[-1]).plain.strip() in ("", "$"):
        lines.pop()
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        # As a whole: a style goes on over the ends of lines.
        console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
        console.print(" ")  # The frame cuts into the last row.
        drawn = console.export_svg(title=title, theme=THEME, code_format=SVG, unique_id=name)
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.svg").write_text(drawn, encoding="utf-8")
    print(f"docs/pictures/{name}.svg: {len(lines)} lines, {len(drawn) // 1000} kB")


def fresh(name: str) -> Path:
    """An empty work dir below ``work_dirs/pictures``."""
    place = WORK / name
    shutil.rmtree(ROOT / place, ignore_errors=True)
    return place


def live() -> None:
    """A loader that deadlocks and is replaced, in the live view."""
    with terminal("live") as t:
        work_dir = fresh("resolved")
        t.type(f"dualwatch train {DEMO} --stall-timeout 20s --work-dir {work_dir} {EARLY}")
        t.wait("DW111 ", "replaced", "phase")
        time.sleep(6)  # The table is drawn anew once a second; some iterations go by.
        seen = t.shows(history=True, colours=True).split("\n")
        first = next(n for n, line in enumerate(seen) if "DW111 loader-deadlock (error" in line)
        draw("live", "\n".join(seen[first:]), "dualwatch train: from the verdict on")
        t.wait_for_prompt()


def diagnose() -> None:
    """The same hang, only reported, and ``diagnose`` from another terminal."""
    work_dir = fresh("hung")
    options = f"--on-stall report --stall-timeout 20s --work-dir {work_dir} --no-tensorboard"
    with terminal("hung") as hung, terminal("diagnose", lines=400) as t:
        hung.type(f"dualwatch train {DEMO} {options} {EARLY}")
        hung.wait("DW111 ")
        t.run(f"dualwatch diagnose {shlex.quote(str(work_dir))} --no-bundle")
        last = t.shows(colours=True).rstrip("\n$ ").split("\n")[-VERDICT:]
        draw("diagnose", "\n".join(last), "dualwatch diagnose: its end")
        hung.press("C-c")
        hung.wait_for_prompt()


def check() -> None:
    """The checklist of the run of ``live``."""
    look("check", f"dualwatch check {WORK / 'resolved'} --profile macl-demo-deadlock")


def plain() -> None:
    """The same where a terminal has no colours and no more than ASCII."""
    command = f"dualwatch check {WORK / 'resolved'} --profile macl-demo-deadlock --select preflight"
    look("plain", f"NO_COLOR=1 PYTHONIOENCODING=ascii {command}")


def look(name: str, command: str) -> None:
    """The picture of a command that ends at once, however long its output is."""
    with terminal(name, lines=400) as t:
        t.run(command)
        draw(name, t.shows(colours=True), command.split(" work_dirs")[0])


SCENES: dict[str, Callable[[], None]] = {
    "live": live,
    "diagnose": diagnose,
    "check": check,
    "plain": plain,
}
"""In this order: ``check`` looks at the run of ``live``."""


def main() -> None:
    """Takes the pictures that are asked for, else all of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", action="append", choices=list(SCENES), metavar="NAME")
    chosen = parser.parse_args().only or list(SCENES)
    if not shutil.which("tmux"):
        raise SystemExit("tmux is not on this machine")
    for name in chosen:
        SCENES[name]()


if __name__ == "__main__":
    main()
