"""What all consoles share: a clock, lines, and the forms that a text takes on its way to a file."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

SECONDS = 0.5
"""Of an iteration."""

Number = float | int | str


class Console:
    """A text that grows; the clock moves with it."""

    def __init__(self, at: str = "2024-03-04 10:00:00", step: float = SECONDS) -> None:
        self.now = datetime.fromisoformat(at)
        self.step = step
        self.lines: list[str] = []

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def raw(self, text: str) -> Self:
        """Lines that no logger wrote."""
        self.lines += text.strip("\n").split("\n")
        return self

    def wait(self, seconds: float) -> Self:
        self.now += timedelta(seconds=seconds)
        return self


def crlf(text: str) -> str:
    """As a Windows editor saves it."""
    return text.replace("\n", "\r\n")


def utf16(text: str) -> bytes:
    """As PowerShell's ``>`` writes it."""
    return crlf(text).encode("utf-16")


def coloured(text: str) -> str:
    """As a terminal's recorder keeps it: each line in green, cleared to its end."""
    return "".join(f"\x1b[32m{line}\x1b[0m\x1b[K\n" for line in text.splitlines())


def wrapped(text: str, columns: int = 96) -> str:
    """As a terminal shows it: lines broken at its width."""
    rows = (
        line[start : start + columns]
        for line in text.splitlines()
        for start in range(0, max(len(line), 1), columns)
    )
    return "\n".join(rows) + "\n"


def ranks(text: str) -> str:
    """Labelled by rank, as ``srun -l`` does; rank 0 logs, rank 1 prints a word now and then."""
    lines = text.splitlines()
    noise = {len(lines) // 3: "1: OMP_NUM_THREADS is 1", len(lines) // 2: "1: loaded 1184 samples"}
    return "".join(
        f"0: {line}\n" + (f"{noise[number]}\n" if number in noise else "")
        for number, line in enumerate(lines)
    )


def pod(text: str, at: str = "2024-03-04T10:00:00.000000000Z") -> str:
    """As ``kubectl logs --timestamps`` prints it."""
    return "".join(f"{at} {line}\n" for line in text.splitlines())
