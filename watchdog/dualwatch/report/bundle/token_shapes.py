"""Secrets that are known by their form: tokens of well-known services, private keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualwatch.report.bundle import lines

# One expression each: with a literal at its front the search runs at the speed of memory. The
# others have a literal beside them, in small letters, and are tried in the lines that hold it.
_SHAPES = tuple(
    re.compile(pattern)
    for pattern in (
        r"ghp_[A-Za-z0-9]{20,}",
        r"github_pat_[A-Za-z0-9_]{20,}",
        r"glpat-[A-Za-z0-9_-]{16,}",
        r"hf_[A-Za-z0-9]{20,}",
        r"wandb_v\d_[A-Za-z0-9_]{20,}",
        r"AKIA[0-9A-Z]{16}",
        r"ASIA[0-9A-Z]{16}",
        r"AIza[0-9A-Za-z_-]{35}",
        r"xox[a-z]-[A-Za-z0-9-]{10,}",
        r"npm_[A-Za-z0-9]{36}",
        r"pypi-[A-Za-z0-9_-]{50,}",
        r"dckr_pat_[A-Za-z0-9_-]{20,}",
        r"eyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+){0,3}",
        r"gh[ousr]_[A-Za-z0-9]{20,}",
    )
)
_HINTED = tuple(
    (hints, re.compile(pattern))
    for hints, pattern in (
        (("sk-",), r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}"),
        (("hooks.slack.com",), r"(?<=hooks\.slack\.com/services/)[\w/-]+"),
        (("/api/webhooks/",), r"(?<=/api/webhooks/)[\w/-]+"),
        (("ssh-rsa ",), r"(?<=ssh-rsa )[A-Za-z0-9+/]{40,}={0,2}"),
        (("ssh-ed25519 ",), r"(?<=ssh-ed25519 )[A-Za-z0-9+/]{40,}={0,2}"),
        (("bearer ",), r"(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{6,}"),
        (
            ("basic ",),
            r"(?<=Basic )(?=[A-Za-z+/]{1,64}[A-Z0-9=])[A-Za-z0-9+/]{8,}={0,2}",
        ),
        (
            ("?", "&"),
            r"(?<=[?&])(?:key|sig|signature|code|X-Amz-[A-Za-z-]{1,32})=[^&\s\"'<>]+",
        ),
    )
)
# A bot of Telegram: the number before it is looked for from here.
_BOT = re.compile(r":[A-Za-z0-9_-]{35}")
_BOT_NUMBER = re.compile(r"(?<![0-9])[0-9]{8,10}\Z")
_FORTY_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{40}(?![0-9A-Za-z])")
_KEY_WORDS = ("wandb", "api", "key", "login", "token")


def tokens(text: str) -> Iterator[tuple[int, int]]:
    """Tokens of well-known services."""
    for shape in _SHAPES:
        for match in shape.finditer(text):
            yield match.span()
    for hints, shape in _HINTED:
        if any(hint in text.lower() for hint in hints):
            for start, end in lines.holding(hints, text):
                for match in shape.finditer(text, start, end):
                    yield match.span()
    for match in _BOT.finditer(text):
        before = text[max(0, match.start() - 11) : match.start()]
        number = _BOT_NUMBER.search(before)
        if number is not None:
            yield match.start() - len(number[0]), match.end()
    for start, end in lines.holding(_KEY_WORDS, text):
        for match in _FORTY_HEX.finditer(text, start, end):
            # A commit has the same form as a key of Weights & Biases; its surroundings tell.
            before = text[max(start, match.start() - 64) : match.start()].rpartition("\n")[2]
            if any(word in before.lower() for word in _KEY_WORDS):
                yield match.span()


_BEGIN = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\\\s:,.()]|-(?!----))*"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_CODED_LINE = re.compile(r"[ \t]*[A-Za-z0-9+/=]{4,76}[ \t\r]*")


def private_keys(text: str) -> Iterator[tuple[int, int]]:
    """Private keys, also where only their end is in sight."""
    if "PRIVATE KEY" not in text:
        return
    done = 0
    for match in _BEGIN.finditer(text):
        yield match.start(), match.start() + len(match[0].rstrip())
    for match in _END.finditer(text):
        start = text.rfind("\n", done, match.start()) + 1
        while start > done:
            before = text.rfind("\n", done, start - 1) + 1 or done
            if _CODED_LINE.fullmatch(text, before, start - 1) is None:
                break
            start = before
        yield max(start, done), match.end()
        done = match.end()
