"""Where the form of a text shows that a word is an account or a machine: prompts, Slurm, ``u@h``.

A word is believed to be one only by what is around it: ``Acc@1``, ``mAP@0.5`` and ``torch@main``
have the same form as ``ada@node7``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dualwatch.report.bundle import lines


class Mention(NamedTuple):
    """A word that names an account ("user") or a machine ("host")."""

    start: int
    end: int
    kind: str
    name: str


_USER = r"(?P<user>[A-Za-z_][\w.-]{0,63}|[\u4e00-\u9fff]{2,6})"
_NODE = r"(?P<host>(?:[A-Za-z][\w-]{0,62}|[0-9a-f]{12})(?:\.[A-Za-z0-9][\w-]{0,62}){0,6})"
_LIST = r"(?P<host>[A-Za-z][\w.,\[\]-]{0,510}[\w\]])"
_NUMBERED = r"(?P<host>(?=[\w.-]{0,60}[\d.-])[A-Za-z][\w-]{0,62}(?:\.[A-Za-z0-9][\w-]{0,62}){0,6})"

_BEFORE = r"\b(?:host|by|as|ssh|user|login|sftp)|主机|用户"
_PROMPT = r"(?::[^\s$#%>]{0,200}| [^\s\]]{1,80})?\]?[$#%>](?: |$)"
_IS = r"[\"']?[ \t]?[:=][ \t]?[\"']?"

# Each is found within one line, which holds the literal before it, in small letters.
_FORMS = tuple(
    (hint, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for hint, pattern in (
        ("@", rf"(?:{_BEFORE})[ \t]*[:=\uff1a]?[ \t]*{_USER}@{_NODE}"),
        # A shell's prompt: "ada@node7:~/w$ ", "(base) [ada@node7 w]$ ".
        ("@", rf"(?:^|[\s(])\[?{_USER}@{_NODE}(?={_PROMPT})"),
        ("@", rf"(?<![\w.%+/@-]){_USER}@{_NODE}(?=:[~/])"),
        ("@", rf"(?<![\w.%+/@-]){_USER}@(?=(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![\w.]))"),
        ("***", rf"\*\*\* (?:job|step)\S* \S+ on {_LIST} "),
        ("srun: ", rf"srun: (?:error|warning): {_LIST}: tasks?\b"),
        ("on ", rf"\bon (?:host|node) {_NUMBERED}"),
        ("***", rf"^\[{_NODE}:\d{{1,7}}\] (?:\*\*\* |\[ ?\d+\] )"),
        ("kernel:", rf"^[A-Za-z]{{3}} +\d+ [\d:]+ {_NODE} kernel:"),
        ("]: ", rf"^[A-Za-z]{{3}} +\d+ [\d:]+ {_NODE} [\w./-]{{1,40}}\[\d+\]: "),
        ("linux ", rf"^Linux {_NODE} \d+\.\d+\.\d+\S{{0,60}} #\d"),
        ("connect to (", rf"connect to \({_NODE}, ?\d{{2,5}}\)"),
        ("\\\\", rf"(?<![\\\w:])\\{{2,8}}{_NODE}\\{{1,4}}(?=[\w$])"),
        ("logged in as", rf"logged in as:? {_USER}"),
        ("logged in as", r"logged in as:? \S{1,64} \((?P<user>[A-Za-z][\w-]{0,63})\)"),
        ("wandb.ai/", r"(?<![\w.-])wandb\.ai/(?P<user>[\w-]{1,64})(?=/)"),
        ("user", rf"(?<![A-Za-z_.-])user(?:name)?{_IS}{_USER}(?=[\"']?[ \t]*(?:$|[,;}}]))"),
        ("user", rf"\bby user {_USER}"),
    )
)  # fmt: skip
_NO_USER = frozenset(("git", "none", "null", "true", "false", "site", "docs", "str", "int", "self"))
_RANGE = re.compile(r"^(?P<stem>[A-Za-z][\w.-]*)\[(?P<numbers>[\d,-]{1,200})\]$")
_MOST = 256


def find(text: str) -> Iterator[Mention]:
    """The words that name accounts and machines."""
    lowered = text.lower()
    for hint, pattern in _FORMS:
        if hint not in lowered:
            continue
        for start, end in lines.holding((hint,), text):
            for match in pattern.finditer(text, start, end):
                for kind in pattern.groupindex:
                    name = match[kind]
                    if kind == "user" and name.lower() in _NO_USER:
                        break
                    yield Mention(*match.span(kind), kind, name)


def expanded(nodes: str) -> Iterator[str]:
    """The names of a list of nodes: ``gpu[01-03,7]`` and ``a,b`` are several."""
    for part in re.split(r",(?![^\[]*\])", nodes):
        match = _RANGE.match(part)
        if match is None:
            yield part
            continue
        for numbers in match["numbers"].split(","):
            first, _, last = numbers.partition("-")
            if not first.isdigit() or (last and not last.isdigit()):
                continue
            end = min(int(last or first), int(first) + _MOST)
            for number in range(int(first), end + 1):
                yield f"{match['stem']}{number:0{len(first)}}"
