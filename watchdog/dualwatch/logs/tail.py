"""Follows a file that another process writes, by its bytes.

Works on bytes until a line is whole, so that a character split by a write never breaks; a carriage
return ends a line too, so that a progress bar gives lines instead of one endless one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from dualwatch.core.text import MAX_LINE, decode_line

POLL_BYTES = 4 << 20
"""Bytes read per poll: what is left comes with the next one, so that a poll stays short."""

PARTIAL_BYTES = 4 * MAX_LINE + 4
"""Bytes kept of a line that has not ended: more than ``decode_line`` would keep of it."""

_ENDS = re.compile(rb"\r\n|\n|\r")


class Tail:
    """New whole lines of a file since the last look.

    Args:
        path: The file; it need not exist yet, and may be replaced or cut.
        from_end: Start at the present end instead of the beginning.

    Attributes:
        notices: What happened to the file ("replaced", "truncated", why it cannot be read), newest
            last; the caller takes them with ``take_notices``.
        behind: Whether the last poll left bytes unread, because there were more than it may read.
    """

    def __init__(self, path: str | os.PathLike[str], *, from_end: bool = False) -> None:
        self.path = Path(path)
        self.notices: list[str] = []
        self.behind = False
        self._from_end = from_end
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._partial = bytearray()
        self._after_cr = False
        self._trouble = ""

    def poll(self) -> list[str]:
        """Whole lines that came since the last call, clean and bounded, empty ones included."""
        self.behind = False
        try:
            with open(self.path, "rb", buffering=0) as file:
                rest = self._check_identity(os.fstat(file.fileno()))
                file.seek(self._offset)
                data = file.read(POLL_BYTES)
                self._offset += len(data)
                self.behind = os.fstat(file.fileno()).st_size > self._offset
        except FileNotFoundError:
            return []
        except OSError as error:
            self._say(f"cannot be read: {error.strerror or error}")
            return []
        self._trouble = ""
        return rest + self._take(data)

    def flush(self) -> list[str]:
        """The last line although it has not ended; for when the writer is gone."""
        if not self._partial:
            return []
        line = decode_line(bytes(self._partial))
        self._partial.clear()
        return [line]

    def take_notices(self) -> list[str]:
        """The notices since the last call."""
        taken, self.notices = self.notices, []
        return taken

    def _check_identity(self, status: os.stat_result) -> list[str]:
        """Notices a new or cut file; gives the unfinished last line of the old one."""
        identity = (status.st_dev, status.st_ino)
        known, self._identity = self._identity, identity
        if known is None:
            self._offset = status.st_size if self._from_end else 0
            return []
        if known != identity:
            self.notices.append("replaced by another file: reading it anew")
        elif status.st_size < self._offset:
            self.notices.append(
                f"truncated from {self._offset} to {status.st_size} bytes: reading it anew"
            )
        else:
            return []
        self._offset = 0
        self._after_cr = False
        return self.flush()

    def _take(self, data: bytes) -> list[str]:
        """Splits new bytes into lines; keeps what has not ended."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]  # the other half of a "\r\n" that the last read cut in two
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        *ended, last = _ENDS.split(data)
        lines: list[str] = []
        for piece in ended:
            self._keep(piece)
            lines += [decode_line(bytes(self._partial))]
            self._partial.clear()
        self._keep(last)
        return lines

    def _keep(self, piece: bytes) -> None:
        self._partial += piece[: max(0, PARTIAL_BYTES - len(self._partial))]

    def _say(self, trouble: str) -> None:
        """Adds a notice once for as long as the trouble lasts."""
        if trouble != self._trouble:
            self.notices.append(trouble)
        self._trouble = trouble
