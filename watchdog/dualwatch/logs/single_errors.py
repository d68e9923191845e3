"""An error that one line reports without a traceback. Pure.

::

    ValueError: shapes differ
    the loss failed: shapes differ
    2024-03-04 10:00:00,000 - train - WARNING - image skipped: cannot be read
"""

from __future__ import annotations

import re

from dualwatch.core.text import bound
from dualwatch.events import ErrorSeen
from dualwatch.logs.tracebacks import EXCERPT_WIDTH, MESSAGE_CHARS

SIGNS = ("rror", "xcept", "fail", "Fail", "FAIL", "ERROR", "CRITICAL", "WARNING", "Interrupt",
         "失败", "错误", "异常", "出错", "terminat")  # fmt: skip
"""One of these is in a word of each such line."""

_HINT = re.compile(r"rror|xcept|fail|Fail|FAIL|ERROR|Interrupt|失败|错误|异常|出错|terminat")
_NAMED = re.compile(
    r"(?<![\w.])(?P<kind>(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*(?:Error|Exception)|Exception"
    r"|KeyboardInterrupt))"
    r"(?::\s+(?P<message>\S.*)|\((?P<quoted>['\"].*)\))"
)
_UNNAMED = re.compile(
    # "the loss failed: shapes differ"; a number after the colon is a metric, "mean error: 0.1".
    r"\b(?i:failed|failure|error|exception)\b[^:='\"]{0,80}:\s*(?![-+.\d\s]|(?i:nan|inf)\b)\S"
    r"|(?:失败|错误|异常|出错)[^:\uff1a='\"]{0,40}[:\uff1a]\s*\S"
)
_GAVE_UP = re.compile(
    r"\b(?i:skip(?:ped|ping|s)|ignor(?:ed|ing)|disabled|could not|cannot|unable)\b"
    r"[^:]{0,80}:\s*(?![-+.\d\s])\S"
)
"""What a warning of the logger says of something that was not done, and why."""
_SPECIAL = re.compile(r"^(?P<kind>Fatal Python error): (?P<message>.+)")
_DIGITS = re.compile(r"\d+")

ErrorKey = tuple[str, str, str]


def parse(level: str, body: str, at: float, wall: float) -> ErrorSeen | None:
    """The error that a line reports; whether it does is not a question of its digits.

    Args:
        level: Of its logger's prefix, "" where it has none.
        body: The line without that.
    """
    loud = level in ("ERROR", "CRITICAL") or (level == "WARNING" and _GAVE_UP.search(body))
    if not loud and _HINT.search(body) is None:
        return None
    kind, message = "", body.strip()
    special = _SPECIAL.search(body)
    if special is not None:
        kind, message = special["kind"], special["message"]
    else:
        named = _NAMED.search(body)
        if named is not None and not body.lstrip().startswith(("raise ", "except ")):
            kind = named["kind"]
            message = named["message"] or named["quoted"].rstrip(",").strip("'\"")
        elif not message or not (loud or _UNNAMED.search(body)):
            return None
    return ErrorSeen(
        at=at,
        wall=wall,
        exception=kind,
        message=bound(message, MESSAGE_CHARS),
        excerpt=(bound(body.strip(), EXCERPT_WIDTH),),
    )


def key(error: ErrorSeen) -> ErrorKey:
    """What errors have in common that differ in their numbers only."""
    return error.exception, error.where, _DIGITS.sub("#", error.message[:300])
