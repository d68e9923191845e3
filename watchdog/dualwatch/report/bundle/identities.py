r"""Where a text names people and machines: homes, user names, hosts, addresses, e-mail.

What identifies the training stays: names of files, relative paths, versions, process ids.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterator, Sequence

from dualwatch.report.bundle import lines, mentions
from dualwatch.report.bundle.secrets import FoundSecret

# Accounts that belong to nobody in particular, and words that a log is full of.
_NOBODY = re.compile(
    "root|users?|admin|administrator|ubuntu|debian|docker|runner|nobody|guest|public|default|shared"
    "|home|work|workspace|data|train|training|test|models?|main|app|jovyan|vagrant|ec2-user|python"
    "|torch|cuda|gpu|host|server|node|master|worker|local|localhost|login",
    re.IGNORECASE,
)

# What may stand before a word without being part of it: %2F, \n as JSON writes it, a colour.
_ESCAPE = re.compile(
    r"(?:%[0-9A-Fa-f]{2}|\\[abfnrtv]|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}"
    r"|(?:\x1b|\\x1b|\\033|\\u001b)\[[\d;]*m)$"
)
_LOOK_BACK = 16

MOST_LEARNT = 1000
"""Names of accounts, and of machines, that are taken from the texts themselves."""


def is_identifying(name: str) -> bool:
    """Whether a name identifies a person or a place, so that it is searched as a word."""
    shortest = 3 if name.isascii() else 2  # Two Chinese characters are a whole name.
    return len(name) >= shortest and not name.isdigit() and _NOBODY.fullmatch(name) is None


def is_local(host: str) -> bool:
    """Whether the name or address of a machine says nothing, because every machine has it."""
    name = host.strip("[]").lower()
    if name in ("localhost", "none", "null", "true", "false", "::", "::1"):
        return True
    return not name or name.isdigit() or name.startswith(("127.", "0.0.0.0", "255."))


def host_key(name: str) -> str:
    """A machine is the same with and without its domain."""
    return name.partition(".")[0].casefold()


def folder_key(path: str) -> str:
    r"""A folder is the same whatever its separators: ``C:\Users\x``, ``c:/users/x``."""
    key = "/".join(part for part in re.split(r"[\\/]+", path) if part)
    return key.casefold() if ":" in key[:2] else key


class Identities:
    """The users of one machine, and the machine.

    Args:
        users: Names of its user.
        home: Folder of its user, "" where unknown.
        hosts: Names of the machine and of those that it trains with.
    """

    def __init__(self, users: Sequence[str], home: str, hosts: Sequence[str]) -> None:
        self._home = _home_pattern(home)
        self._home_key = folder_key(home)
        self._user_names = {name.casefold() for name in users if is_identifying(name)}
        self._users = _words([name for name in users if is_identifying(name)])
        # One or two letters are no word to look for, but a folder of that name is theirs.
        short = [
            re.escape(name)
            for name in users
            if len(name) < 3 and name.isalpha() and not is_identifying(name)
        ]
        self._short = re.compile(rf"(?<=[\\/])(?:{'|'.join(short)})(?=[\\/]|$)") if short else None
        known = [name for name in hosts if not is_local(name) and not is_address(name)]
        self._host_names = list(known)
        self._set_hosts()

    def learn(self, text: str) -> None:
        """Takes the names of accounts and machines that a text shows, to find them anywhere."""
        users, hosts = len(self._user_names), len(self._host_names)
        for found in mentions.find(text):
            if found.kind == "user":
                if is_identifying(found.name) and len(self._user_names) < MOST_LEARNT:
                    self._user_names.add(found.name.casefold())
                continue
            for name in mentions.expanded(found.name):
                if len(self._host_names) < MOST_LEARNT and _is_a_host(name):
                    self._host_names.append(name)
        for name in _named_hosts(text):
            if len(self._host_names) < MOST_LEARNT and _is_a_host(name):
                self._host_names.append(name)
        if len(self._user_names) > users:
            self._users = _words(sorted(self._user_names))
        if len(self._host_names) > hosts:
            self._set_hosts()

    def _set_hosts(self) -> None:
        known = list(dict.fromkeys(self._host_names))
        self._host_names = known
        names = [*known, *(name.partition(".")[0] for name in known)]
        self._hosts = _words([name for name in names if is_identifying(name)])
        self._domains = _words([d for name in known if "." in (d := name.partition(".")[2])])

    def find(self, text: str) -> Iterator[FoundSecret]:
        """Everything that identifies a person or a machine; the parts may overlap."""
        yield from self._homes(text)
        yield from self._people(text)
        yield from self._machines(text)
        yield from _addresses(text)

    def _homes(self, text: str) -> Iterator[FoundSecret]:
        if self._home is not None:
            for match in self._home.finditer(text):
                if _stands_alone(text, *match.span(), also="_-."):
                    yield FoundSecret(*match.span(), "home", self._home_key)
        for match in _HOME.finditer(text):
            start, end = match.start(), match.start() + len(match[0].rstrip("."))
            if match["end"].lower() in ("shared", "public", "default"):
                continue
            drive = _DRIVE.search(text, max(0, start - 4), start + 1)
            if drive is not None:
                start = drive.start()
            elif not _is_absolute(text, start):
                continue
            yield FoundSecret(start, end, "home", folder_key(text[start:end]))
        for match in _TILDE.finditer(text) if "~" in text else ():
            yield FoundSecret(*match.span(), "home", match[0])

    def _people(self, text: str) -> Iterator[FoundSecret]:
        for pattern in (self._users, self._short):
            for match in pattern.finditer(text) if pattern is not None else ():
                if pattern is self._short or _stands_alone(text, *match.span()):
                    yield FoundSecret(*match.span(), "user", match[0].casefold())
        for line, line_end in lines.holding(("@",), text) if "@" in text else ():
            for match in _EMAIL.finditer(text, line, line_end):
                before = text[max(0, match.start() - _LONGEST_HOST) : match.start()]
                in_url = "://" in before[len(before.rstrip(_URL_CHARACTERS)) :]
                if not match[0].startswith("git@") and not in_url:
                    yield FoundSecret(*match.span(), "email", match[0].casefold())

    def _machines(self, text: str) -> Iterator[FoundSecret]:
        for match in self._hosts.finditer(text) if self._hosts is not None else ():
            if _stands_alone(text, *match.span()):
                domain = _DOMAIN.match(text, match.end())
                end = domain.end() if domain is not None else match.end()
                yield FoundSecret(match.start(), end, "host", host_key(match[0]))
        for match in self._domains.finditer(text) if self._domains is not None else ():
            before = text[max(0, match.start() - _LONGEST_HOST) : match.start()]
            start = match.start() - len(before) + len(before.rstrip(_HOST_CHARACTERS))
            yield FoundSecret(start, match.end(), "host", host_key(text[start : match.end()]))
        for found in mentions.find(text):
            if found.kind == "user" and not _is_nobody(found.name):
                yield FoundSecret(found.start, found.end, "user", found.name.casefold())
            if found.kind == "host" and not is_local(found.name) and not is_address(found.name):
                yield FoundSecret(found.start, found.end, "host", host_key(found.name))
        for match in _hosts_in_context(text):
            yield FoundSecret(*match.span("host"), "host", host_key(match["host"]))


def _hosts_in_context(text: str) -> Iterator[re.Match[str]]:
    lowered = text.lower()
    for hint, pattern in _HOSTS_IN_CONTEXT:
        for match in pattern.finditer(text) if hint in lowered else ():
            if not is_local(match["host"]) and not is_address(match["host"]):
                yield match
    if _TWO_GROUPS.search(text) is not None:
        yield from _HARDWARE.finditer(text)


def _named_hosts(text: str) -> Iterator[str]:
    for match in _hosts_in_context(text):
        yield from mentions.expanded(match["host"])


def _is_a_host(name: str) -> bool:
    return is_identifying(name.partition(".")[0]) and not is_local(name) and not is_address(name)


def _is_nobody(name: str) -> bool:
    return _NOBODY.fullmatch(name) is not None


def _words(words: Sequence[str]) -> re.Pattern[str] | None:
    ordered = sorted(set(words), key=lambda word: (-len(word), word))
    return re.compile("|".join(map(re.escape, ordered)), re.IGNORECASE) if ordered else None


def _stands_alone(text: str, start: int, end: int, also: str = "") -> bool:
    """Whether a name is not part of a longer word.

    Args:
        also: Characters beside letters and digits that would join it to what stands beside it.
    """
    if not text[start:end].isascii():
        return True  # Chinese and Japanese set no blanks between words.
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if after.isalnum() or (after and after != "." and after in also):
        return False
    if before.isalnum() or (before and before in also):
        return _ESCAPE.search(text[max(0, start - _LOOK_BACK) : start]) is not None
    return True


# --- homes -----------------------------------------------------------------------------------

_NAME = r"[^\s\\/:*?\"'<>|,;()\[\]{}=&%$#`]{1,64}"
_SPACED_NAME = r"[^\\/:*?\"'<>|\r\n\t,;=]{1,64}"  # "C:\Users\Ada Byron\work": up to the next part
_HOME = re.compile(
    rf"[\\/](?i:home\d{{0,2}}|homes|users|media|documents and settings)"
    rf"(?:[\\/]+(?=(?P<end>{_NAME}))(?:(?<=\\){_SPACED_NAME}(?=\\)|{_NAME}))"
)
_TILDE = re.compile(r"(?<![\w/~.])~[A-Za-z_][\w-]{0,31}(?=[\\/])")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]+$")
_LONGEST_PATH = 256
_PATH_CHARACTERS = string.ascii_letters + string.digits + "_.-+%\\/"


def _home_pattern(home: str) -> re.Pattern[str] | None:
    parts = [re.escape(part) for part in re.split(r"[\\/]+", home) if part]
    if not parts or not any(part.isalnum() for part in "".join(parts)):
        return None
    lead = r"[\\/]" if home[0] in "\\/" else ""
    flags = re.IGNORECASE if ":" in home[:2] else 0
    return re.compile(lead + r"[\\/]+".join(parts), flags)


def _is_absolute(text: str, position: int) -> bool:
    """Whether the path that has a part beginning here is absolute."""
    before = text[max(0, position - _LONGEST_PATH) : position]
    path = before[len(before.rstrip(_PATH_CHARACTERS)) :]
    return not path or path[0] in "\\/" or len(path) == _LONGEST_PATH


# --- machines --------------------------------------------------------------------------------

_EMAIL = re.compile(
    r"(?<![\w.%+-])[\w.%+-]+@(?:(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}|[A-Za-z0-9-]+(?=:[~/]))"
)
_LONGEST_HOST = 253
_DOMAIN = re.compile(r"(?:\.[A-Za-z][A-Za-z0-9-]{0,62}){2,6}(?![\w-])")
_HOST_CHARACTERS = string.ascii_letters + string.digits + "-."
_URL_CHARACTERS = string.ascii_letters + string.digits + "-._~:/@%+!$&*,;="
_HOST = r"(?P<host>[A-Za-z0-9](?:[\w.-]{0,252}\w)?)"
_IS = r"\\{0,4}[\"']?\]?[ \t]{0,10}[=:][ \t]{0,4}\\{0,4}[\"']?"
# Each with a literal, in small letters, without which it need not be tried.
_HOSTS_IN_CONTEXT = tuple(
    (hint, re.compile(pattern, re.IGNORECASE))
    for hint, pattern in (
        ("master", rf"master[_-]addr(?:{_IS}|[ \t]{{1,4}}){_HOST}"),
        ("rdzv", rf"rdzv[_-]endpoint(?:{_IS}|[ \t]{{1,4}}){_HOST}"),
        ("host", rf"(?<![a-z])(?:host(?:name)?|submit_host){_IS}{_HOST}(?![\w.-]*@)"),
        ("node", rf"(?<![a-z])node_?name{_IS}{_HOST}"),
        ("nodelist", rf"nodelist{_IS}(?P<host>[^\s\"';]{{1,512}})"),
        ("]:", r"\[(?P<host>[A-Z][\w.-]{0,252})\]:\d{2,5}"),
        ("://", rf"(?:tcp|etcd|grpc)://{_HOST}"),
        ("nccl", r"(?<![\w.-])(?P<host>[A-Z][\w.-]{0,252}):\d+:\d+ \[\d+\] NCCL"),
        ("ip-", r"(?P<host>(?<![\w-])ip-\d{1,3}(?:-\d{1,3}){3}(?:\.[A-Z][\w.-]{0,200})?)"),
    )
)

_HARDWARE = re.compile(r"(?P<host>(?<![\w:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![\w:]))")

# What the following addresses hold, with a literal in front: a text of numbers and times has none.
_TWO_PARTS = re.compile(r"\.\d{1,3}\.\d{1,3}\.")
_TWO_GROUPS = re.compile(r"::|:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:")
_V4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_V6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15}(?:%\w{1,16})?(?![\w:])")
_VERSION_BEFORE = re.compile(
    r"(?:[<>~!=]=|[-+]|\bv|(?:version|ver|release|driver|build|opencv|cudnn|cublas|cuda|nccl"
    r"|cufft|curand|cusolver|cusparse|tensorrt|nvidia|python|torch|numpy|wheel|gcc|headless)"
    r"[\w.-]{0,24}[\"']?[\s:=(\[]{0,24}[\"']?)$",
    re.IGNORECASE,
)
_NETWORK_BEFORE = re.compile(
    r"addr|host|\bip\b|server|node|connect|\b(?:from|to|at|on)\b|tcp|http|peer|endpoint|master|bind"
    r"|listen|socket|://|@|inet|ssh|dns|gateway|proxy|client|remote",
    re.IGNORECASE,
)
_CONTEXT = 40


def is_address(text: str) -> bool:
    """Whether a text is an IP address and nothing else."""
    try:
        ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def _addresses(text: str) -> Iterator[FoundSecret]:
    for match in _V4.finditer(text) if _TWO_PARTS.search(text) is not None else ():
        value = match[0]
        if is_address(value) and not is_local(value) and not _is_version(text, match):
            yield FoundSecret(*match.span(), "ip", value)
    for match in _V6.finditer(text) if _TWO_GROUPS.search(text) is not None else ():
        value = match[0].lower()
        groups = [group for group in value.split(":") if group]
        # "::add" is C++ as well, and 12:30:45 a time.
        if len(groups) >= 3 and is_address(value) and not value.startswith("::ffff:127."):
            yield FoundSecret(*match.span(), "ip", value)


def _is_version(text: str, match: re.Match[str]) -> bool:
    """Whether four numbers are a version, as 4.9.0.80 of OpenCV is, rather than an address."""
    if text.startswith(":", match.end()) and text[match.end() + 1 : match.end() + 2].isdigit():
        return False
    before = text[max(0, match.start() - _CONTEXT) : match.start()].rpartition("\n")[2]
    is_private = ipaddress.ip_address(match[0]).is_private
    versioned = _VERSION_BEFORE.search(before)
    if versioned is not None and not (is_private and versioned[0] in "-+"):
        return True
    if is_private or _NETWORK_BEFORE.search(before) is not None:
        return False
    return int(match[0].partition(".")[0]) <= 9
