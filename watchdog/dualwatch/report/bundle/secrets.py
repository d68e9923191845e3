r"""Where a text holds secrets: known values in any spelling, ``key=value`` pairs, known shapes.

Every search is linear in the text: a line of many megabytes must cost seconds, not a night. That is
why the values of pairs are read by hand, and why no expression repeats what it may give back.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from dualwatch.report.bundle import lines, token_shapes


class FoundSecret(NamedTuple):
    """A part of a text that must not be seen.

    Attributes:
        kind: One of ``KINDS``.
        key: What it stands for; equal keys get equal tokens.
    """

    start: int
    end: int
    kind: str
    key: str


KINDS = ("secret", "home", "email", "host", "ip", "user")
"""What is replaced; where two overlap, the one named earlier gives the token."""

TOKEN = re.compile(rf"<(?:{'|'.join(KINDS)})-\d+>")

SHORTEST = 6
"""Characters of a secret that is looked for wherever it stands; shorter ones occur by chance."""

_WINDOW = 1 << 16
"""Characters in which the closing quote of a value is looked for."""

_STRONG = (
    r"pass(?:word|wd|phrase|code)s?|pwd|secrets?|credentials?"
    r"|(?:api|access|private|secret|auth|signing|encryption|account|shared|license)[_-]?keys?"
)
_WEAK = r"token|session(?:[_-]?(?:id|key))?|auth|bearer|jwt"
"""These also name what is no secret; a small number behind them is none."""

_STEMS = (
    *("pass", "pwd", "secret", "credential", "key"),
    *("token", "session", "auth", "bearer", "jwt", "cookie"),
)
_HEADERS = r"(?:proxy-)?authorization|(?:set-)?cookies?"
_SUFFIX = r"(?:[_-](?:id|key|value|val|str|string|hash|b64|base64|data|text|\d{1,3}))?"
_PAIR = r"(?P<pair>\\*[\"']?\]?[ \t]{0,8}(?::=|=>|:|={1,3}|%3[aAdD])[ \t]{0,8})"
_GAP = r"(?P<gap>\\*[\"'][ \t]*,[ \t]*|[ \t]{1,8})"

_FLAG = re.compile(r"(?:^|[\s\"'\[,(=])--?[A-Za-z0-9_-]*$")
_OPENS = re.compile(r"[bBrRuUfF]{0,2}(\\*[\"'])")
_QUOTED = {q: re.compile(rf"[^{q}\\\n]*(?:\\.[^{q}\\\n]*)*") for q in "\"'"}
_BARE = re.compile(
    r"\[[^\]\r\n]*|(?:[^\s\"'`,;&]|[,;&](?![\"'\\]{0,4}[A-Za-z_][\w.-]{0,63}[\"'\\]{0,4}[=:]))+"
)
_HEADER = re.compile(r"[^\"'`\r\n]+")
_USER_INFO = re.compile(r"(?<=://)[^\s/\"'<>]+(?=@)")
_NUMBER = re.compile(r"[+-]?[\d.]{1,7}")

# Values that give nothing away, whatever the key; and what computes or holds a value.
_HARMLESS = re.compile(
    r"none|null|nil|true|false|yes|no|on|off|nan|str|int|bool|bytes|float|dict|list|tuple|object"
    r"|optional|any|\*|\.\.\.",
    re.IGNORECASE,
)
_NO_VALUES = ("{", "dict(", "os.environ", "os.getenv", "${")
# Vocabulary of language models: "cls_token=1" is no secret.
_NO_SECRET_BEFORE = ("cls_", "num_", "max_", "pad_", "mask_", "eos_", "bos_", "sep_", "unk_")

_SECRET_KEY = re.compile(rf"(?:{_STRONG}|{_WEAK}|{_HEADERS}){_SUFFIX}(?![a-z])", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(r"(?:^|_)PASS(?![A-Z])|PRIVATE|_KEY$|^AWS_|SESSION|SECRET|AUTH(?!OR)")
# Variables whose names smell of a secret and hold none.
_OPEN_VARIABLE = re.compile(
    r"(?:OLD)?PWD|XDG_SESSION\w*|(?:DESKTOP|GDM)_?SESSION|SESSIONNAME"
    r"|AWS_(?:\w*REGION|\w*OUTPUT|PAGER)"
)


def looks_like_secret(name: str) -> bool:
    """Whether the name of a variable, a key or an option promises a secret."""
    if name.upper() == name and _OPEN_VARIABLE.fullmatch(name) is not None:
        return False
    if name.upper() == name and _SECRET_VARIABLE.search(name) is not None:
        return True
    found = _SECRET_KEY.search(name)
    return found is not None and not name[: found.start()].lower().endswith(_NO_SECRET_BEFORE)


def is_harmless(value: str) -> bool:
    """Whether a value gives nothing away: empty, a truth value, the name of a type."""
    return not value or bool(_HARMLESS.fullmatch(value) or TOKEN.fullmatch(value))


class Secrets:
    """The secrets of one machine, and the finder of all others.

    Args:
        environ: Variables of the machine; those whose names smell of a secret are looked for.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        named = {k: v.strip() for k, v in environ.items() if k and v and looks_like_secret(k)}
        values = {v for v in named.values() if len(v) >= SHORTEST and not is_harmless(v)}
        values |= set(_passwords_of(environ.values()))
        self._spelled = {form: value for value in sorted(values) for form in spellings(value)}
        longest_first = sorted(self._spelled, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if values else None
        # A value too short to be looked for everywhere is still hidden behind its own name.
        names = "".join(f"|{re.escape(k)}" for k in sorted(named, key=len, reverse=True))
        self._pairs = re.compile(
            rf"(?:(?P<strong>{_STRONG}{names})|(?P<weak>{_WEAK})|(?P<header>{_HEADERS}))"
            rf"{_SUFFIX}(?![A-Za-z])(?:{_PAIR}|{_GAP})",
            re.IGNORECASE,
        )
        self._stems = (*_STEMS, *(name.lower() for name in named))

    def find(self, text: str) -> Iterator[FoundSecret]:
        """Everything that looks like a secret; the parts may overlap."""
        if self._known is not None:
            for match in self._known.finditer(text):
                yield FoundSecret(*match.span(), "secret", self._spelled[match[0]])
        for start, end in (
            *self._pair_values(text),
            *token_shapes.tokens(text),
            *token_shapes.private_keys(text),
        ):
            yield FoundSecret(start, end, "secret", text[start:end])
        if "://" in text:
            for match in _USER_INFO.finditer(text):
                if match[0] != "git":
                    kind = "secret" if ":" in match[0] else "user"
                    yield FoundSecret(*match.span(), kind, match[0])

    def _pair_values(self, text: str) -> Iterator[tuple[int, int]]:
        for position, line_end in lines.holding(self._stems, text):
            while (match := self._pairs.search(text, position, line_end)) is not None:
                position = match.end()
                if not _is_key(text, match):
                    continue
                start, end = _value(text, match)
                if not _is_open(text[start:end], match):
                    yield start, end
                    position = end


def _is_key(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 40) : match.start()]
    if match["weak"] is not None and before.lower().endswith(_NO_SECRET_BEFORE):
        return False
    return match["pair"] is not None or _FLAG.search(before) is not None


def _value(text: str, match: re.Match[str]) -> tuple[int, int]:
    """Start and end of the value of a pair, without its quotes; empty for no value."""
    start = match.end()
    opened = _OPENS.match(text, start)
    if opened is not None:
        start = opened.end()
        end = _closing(text, start, opened[1])
        if end is not None:
            return start, end
    if text.startswith(_NO_VALUES, start) or (match["gap"] and text.startswith("-", start)):
        return start, start
    is_header = match["header"] is not None and match["pair"] is not None
    found = (_HEADER if is_header else _BARE).match(text, start)
    if found is None:
        return start, start
    return start, start + len(found[0].rstrip(",;)]}\\ \t"))


def _closing(text: str, start: int, mark: str) -> int | None:
    """Where the quoted value ends that begins at ``start``; an escaped quote does not end it."""
    limit = min(len(text), start + _WINDOW)
    if len(mark) == 1:
        quoted = _QUOTED[mark].match(text, start, limit)
        end = quoted.end() if quoted is not None else limit
        return end if text.startswith(mark, end) else None
    line_end = text.find("\n", start, limit)
    at = text.find(mark, start, limit if line_end < 0 else line_end)
    return at if at >= 0 else None


def _is_open(value: str, match: re.Match[str]) -> bool:
    if is_harmless(value):
        return True
    return match["weak"] is not None and _NUMBER.fullmatch(value) is not None


# --- known values ----------------------------------------------------------------------------

_CREDENTIALS = re.compile(r"://[^\s/:@]*:([^\s/\"'<>]+)@")


def _passwords_of(values: Iterable[str]) -> Iterator[str]:
    """Passwords within URLs: a proxy's may be printed without its URL."""
    for value in values:
        for match in _CREDENTIALS.finditer(value):
            if len(match[1]) >= SHORTEST:
                yield match[1]


def spellings(value: str) -> set[str]:
    """A value as it is, and as URLs, JSON, Python and Base64 spell it."""
    encoded = {
        value,
        quote(value, safe="", errors="replace"),
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(value))[3:-3],
        repr(value)[1:-1],
        value.replace("/", "\\/"),
    }
    encoded |= {re.sub("%[0-9A-F]{2}", lambda m: m[0].lower(), form) for form in encoded}
    # A key of several lines is printed line by line.
    encoded |= {line.strip() for line in value.splitlines() if len(line.strip()) >= 16}
    return {form for form in encoded | set(_in_base64(value)) if len(form) >= SHORTEST}


def _in_base64(value: str) -> Iterator[str]:
    """The characters that a value always gives, wherever in the coded text it begins."""
    raw = value.encode("utf-8", "replace")
    for offset in range(3):
        first = (offset * 8 + 5) // 6
        last = (offset + len(raw)) * 8 // 6
        for code in (base64.b64encode, base64.urlsafe_b64encode):
            inner = code(b"\0" * offset + raw).decode()[first:last]
            if len(inner) >= 8:
                yield inner
