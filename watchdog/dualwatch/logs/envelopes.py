"""What platforms put around the lines of a program that they keep: Docker, Kubernetes. Pure.

::

    {"log":"Epoch 3\\n","stream":"stderr","time":"2024-03-04T10:00:00.123456789Z"}   Docker's file
    2024-03-04T10:00:00.123456789Z stderr F Epoch 3                                 Kubernetes' file
    2024-03-04T10:00:00.123456789Z Epoch 3                              kubectl logs --timestamps
    trainer-1  | Epoch 3                                                docker compose logs

The first two are read as the third: the time stays, as the time of the line.
"""

from __future__ import annotations

import json
import re

_OBJECT = '{"log":'
_TIMES = ("asctime", "timestamp", "time", "@timestamp", "ts")
_LEVELS = ("levelname", "level", "severity")
_TEXTS = ("message", "msg")
_TRACES = ("exc_info", "exc_text", "exception", "stack_trace", "traceback")
_LOGGED = re.compile(r'"(?:message|msg)": ?"')
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_STREAM = re.compile(rf"({_TIME}) std(?:out|err) [FP] ?")
_PREFIX = re.compile(rf"(?:[\w.-]{{1,60}}[-_]\d{{1,4}} {{1,20}}\| ?)?(?:{_TIME} )?")


def may_wrap(line: str) -> bool:
    """Whether a line may be one of a platform's own file, whatever its digits are."""
    if line.startswith('{"') and _LOGGED.search(line, 0, 4000) is not None:
        return True
    return line.startswith(_OBJECT) or (" std" in line[:48] and _STREAM.match(line) is not None)


def unwrapped(line: str) -> str:
    """A line of a platform's own file as ``TIME TEXT``; every other line as it is.

    One with the traceback that a logger of JSON keeps in it becomes several, with line feeds.
    """
    if line.startswith('{"'):
        if line.startswith(_OBJECT):
            return _of_object(line)
        if _LOGGED.search(line, 0, 4000) is not None:
            return _of_logger(line)
    if " std" in line[:48]:
        match = _STREAM.match(line)
        if match is not None:
            return f"{match[1]} {line[match.end() :]}"
    return line


def _of_object(line: str) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return line  # Cut off.
    text = row.get("log")
    if not isinstance(text, str):
        return line
    return f"{row.get('time', '')} {text.rstrip()}" if row.get("time") else text.rstrip()


def _of_logger(line: str) -> str:
    """A line of a logger of JSON objects as ``TIME - LEVEL - MESSAGE``."""
    try:
        row = json.loads(line)
    except ValueError:
        return line
    values = {key: row[key] for key in (*_TIMES, *_LEVELS, *_TEXTS, *_TRACES) if key in row}
    texts = {key: value for key, value in values.items() if isinstance(value, str)}
    at, level, text, trace = (
        next((texts[key] for key in keys if key in texts), "")
        for keys in (_TIMES, _LEVELS, _TEXTS, _TRACES)
    )
    if not text or any("loss" in key.lower() for key in row):
        return line  # A record, which is read as one.
    parts = [at, level.upper()] if level else [at]
    head = " - ".join([*filter(None, parts), text])
    return f"{head}\n{trace.rstrip()}" if trace else head


def text_of(line: str) -> str:
    """A line without the time and the name that a platform printed before it."""
    head = line[:100]
    if "T" not in head and " | " not in head:
        return line
    match = _PREFIX.match(line)
    return line[match.end() :] if match is not None and match.end() else line
