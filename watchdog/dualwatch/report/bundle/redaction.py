"""Takes people, machines and secrets out of what leaves the machine.

What was found is replaced by a token, ``<user-1>``, ``<secret-3>``: the same original gets the same
token everywhere, so that a reader can still follow who is who. Nothing here keeps an original on
disk or in a message, nothing raises, and the work grows with the length of the text only.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from msgspec import Struct, structs

from dualwatch.report.bundle.identities import (
    Identities,
    folder_key,
    host_key,
    is_address,
    is_identifying,
    is_local,
)
from dualwatch.report.bundle.secrets import (
    KINDS,
    TOKEN,
    FoundSecret,
    Secrets,
    is_harmless,
    looks_like_secret,
)

T = TypeVar("T")

_ROUNDS = 8
"""A token that takes a word's place may free another one beside it; two rounds are the rule."""

_DEEPEST = 100
_BLOCK = 1 << 16

_USER_VARIABLES = ("USER", "LOGNAME", "USERNAME", "SUDO_USER", "SLURM_JOB_USER")
_HOST_VARIABLES = (
    "HOSTNAME",
    "HOST",
    "COMPUTERNAME",
    "MASTER_ADDR",
    "SLURMD_NODENAME",
    "SLURM_SUBMIT_HOST",
    "SLURM_LAUNCH_NODE_IPADDR",
    "PET_RDZV_ENDPOINT",
)
_HOST_KEY = re.compile(
    r"(?:.*[_-])?(?:hostname|master[_-]addr|nodelist|nodename|submit[_-]host|rdzv[_-]endpoint)",
    re.IGNORECASE,
)
_VERSION_KEYS = ("versions", "version")


class Redactor:
    """Replaces what must not leave the machine.

    Args:
        environ: Variables whose names smell of a secret give values to look for.
        users: Names of the user, the usual one first.
        home: The user's folder, "" where unknown.
        hosts: Names of the machine and of those that it trains with, its own first.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        users: Sequence[str] = (),
        home: str = "",
        hosts: Sequence[str] = (),
    ) -> None:
        self._secrets = Secrets(environ)
        self._identities = Identities(users, home, hosts)
        self._tokens: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
        self._used: dict[str, set[str]] = {kind: set() for kind in KINDS}
        # The machine's own come first, whatever is read first.
        for user in filter(is_identifying, users):
            self._number("user", user.casefold())
        for host in hosts[:1]:
            self._number("host", host_key(host))
        if home:
            self._number("home", folder_key(home))

    @classmethod
    def of_machine(cls, environ: Mapping[str, str], user: str, home: str, host: str) -> Redactor:
        """A redactor that knows its own machine.

        Args:
            user: Name of the account, "" where unknown.
            home: Its folder, "" where unknown.
            host: Name of the machine, with its domain where it has one.
        """
        variables = (environ.get(name, "") for name in _USER_VARIABLES)
        own_folder = re.split(r"[\\/]+", home.rstrip("\\/"))[-1] if home else ""
        users = dict.fromkeys(name for name in (user, *variables, own_folder) if name)
        named = (environ.get(name, "").partition(":")[0] for name in _HOST_VARIABLES)
        hosts = dict.fromkeys(name for name in (host, *named) if name and not is_local(name))
        return cls(environ, tuple(users), home, tuple(hosts))

    def learn(self, text: str) -> None:
        """Takes the names of accounts and machines that a text shows, to replace them anywhere.

        ``Start running, host: ada@node7`` names both; later lines name node7 alone.
        """
        for block in _blocks(str(text)):
            self._identities.learn(block)

    def text(self, text: str) -> str:
        """The text with tokens for what must not be seen; a text without it is given back."""
        return self._clean(str(text))

    def document(self, value: T) -> T:
        """A copy of structs, dictionaries, lists and texts; keys and paths included."""
        return cast("T", self._walk(value, "", 0))

    def legend(self) -> dict[str, int]:
        """How many different ones of each kind were replaced; kinds that did not occur are absent.

        It holds no original.
        """
        return {kind: len(used) for kind, used in self._used.items() if used}

    # --- texts -------------------------------------------------------------------------------

    def _clean(self, text: str, *, addresses: bool = True) -> str:
        # Nothing but a private key stands on several lines: what is clean is not read again.
        if len(text) > 2 * _BLOCK and "PRIVATE KEY" not in text:
            return "".join(self._settled(block, addresses) for block in _blocks(text))
        return self._settled(text, addresses)

    def _settled(self, text: str, addresses: bool) -> str:
        for _ in range(_ROUNDS):
            before, text = text, self._once(text, addresses)
            if text == before:
                break
        return text

    def _once(self, text: str, addresses: bool) -> str:
        found = [*self._secrets.find(text), *self._identities.find(text)]
        if not addresses:
            found = [part for part in found if part.kind != "ip"]
        if not found:
            return text
        if "<" in text:
            found += (FoundSecret(*match.span(), "", match[0]) for match in TOKEN.finditer(text))
        pieces: list[str] = []
        done = 0
        for part in _merged(found, text):
            pieces += (text[done : part.start], self._token(part))
            done = part.end
        return "".join((*pieces, text[done:]))

    def _token(self, part: FoundSecret) -> str:
        if not part.kind:
            return part.key  # It is a token already.
        self._used[part.kind].add(part.key)
        return self._number(part.kind, part.key)

    def _number(self, kind: str, key: str) -> str:
        tokens = self._tokens[kind]
        return tokens.setdefault(key, f"<{kind}-{len(tokens) + 1}>")

    # --- documents ---------------------------------------------------------------------------

    def _walk(self, value: Any, key: str, depth: int) -> Any:
        if value is None or isinstance(value, (bool, float, enum.Enum)):
            return value
        if depth > _DEEPEST:
            return "..."
        if isinstance(value, Struct):
            return structs.replace(
                value,
                **{
                    name: self._walk(item, key if key in _VERSION_KEYS else name, depth + 1)
                    for name, item in structs.asdict(value).items()
                },
            )
        if isinstance(value, Mapping):
            return self._mapping(value, key, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            items = self._items(list(value), key, depth)
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, int) and not _is_strictly_secret(key):
            return value
        return self._scalar(str(value), key)

    def _mapping(self, value: Mapping[Any, Any], key: str, depth: int) -> dict[Any, Any]:
        copy: dict[Any, Any] = {}
        for name, item in value.items():
            new = name if isinstance(name, (int, float, bool)) else self._clean(str(name))
            while new in copy:
                new = f"{new}'"  # Two names of one user are still two entries.
            # What stands below "versions" are versions, whatever they look like.
            below = key if key in _VERSION_KEYS else str(name)
            copy[new] = self._walk(item, below, depth + 1)
        return copy

    def _items(self, items: list[Any], key: str, depth: int) -> list[Any]:
        if any(isinstance(item, str) and "PRIVATE KEY" in item for item in items) and all(
            isinstance(item, str) for item in items
        ):
            # A key that was printed line by line can be seen as a whole only.
            return self._clean("\n".join(items)).split("\n")
        copy = []
        option = ""
        for item in items:
            copy.append(self._walk(item, option or key, depth + 1))
            # A command line: "--api-key" and then its value.
            is_option = isinstance(item, str) and item.startswith("-") and "=" not in item
            option = item.lstrip("-") if is_option and looks_like_secret(item) else ""
        return copy

    def _scalar(self, text: str, key: str) -> str:
        if key and not is_harmless(text):
            if looks_like_secret(key):
                return self._token(FoundSecret(0, 0, "secret", text))
            if _HOST_KEY.fullmatch(key) and not is_local(text) and not is_address(text):
                return self._token(FoundSecret(0, 0, "host", host_key(text)))
        return self._clean(text, addresses=key not in _VERSION_KEYS)


def _blocks(text: str) -> Iterator[str]:
    """Whole lines, so many that one look at them is worth it."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK) + 1 or len(text)
        yield text[start:end]
        start = end


def _is_strictly_secret(key: str) -> bool:
    """Whether even a number behind this key is a secret: a password, not the count of tokens."""
    return (
        looks_like_secret(key) and re.search("pass|pwd|secret|pin$", key, re.IGNORECASE) is not None
    )


def _merged(found: Iterable[FoundSecret], text: str) -> Iterator[FoundSecret]:
    """Parts that do not overlap, in their order: what overlaps becomes one."""
    group: list[FoundSecret] = []
    end = 0
    for part in sorted(found, key=lambda p: (p.start, -p.end)):
        if part.end <= part.start:
            continue
        if group and part.start >= end:
            yield _one_of(group, end, text)
            group = []
        end = max(end, part.end) if group else part.end
        group.append(part)
    if group:
        yield _one_of(group, end, text)


def _one_of(group: Sequence[FoundSecret], end: int, text: str) -> FoundSecret:
    start = group[0].start
    whole = [part for part in group if part.start == start and part.end == end]
    tokens = [part for part in whole if not part.kind]
    if tokens:
        return tokens[0]
    kinds = [part.kind for part in group if part.kind]
    kind = min(kinds, key=KINDS.index)
    same = [part.key for part in whole if part.kind == kind]
    return FoundSecret(start, end, kind, same[0] if same else text[start:end])
