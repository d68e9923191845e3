"""The profiles of the checklist that ship with dualwatch, and how a run gets its own.

A profile is a TOML file. ``[tool.dualwatch.check]`` names one that ships or a file, and may change
any of its items; else it is chosen by what the training is. Domains bring profiles of their own.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from dualwatch import domains
from dualwatch.checks import profile
from dualwatch.checks.profile import Profile
from dualwatch.core.errors import DualwatchError

NEUTRAL = "neutral"

OWN_KEYS = ("profile", "select", "ignore")
"""What ``[check]`` holds beside the parts of a profile."""

_FOLDER = Path(__file__).resolve().parent
_DEPTH = 10


class Choice(NamedTuple):
    """A profile, and why it is this one."""

    profile: Profile
    because: str


def choose(
    check: Mapping[str, Any],
    source: str,
    *,
    config: str = "",
    words: Iterable[str] = (),
) -> Choice:
    """The profile in force.

    Args:
        check: The setting ``check``.
        source: Where it came from, for messages.
        config: Name of the configuration's file.
        words: Of the model, and names of metrics.

    Raises:
        DualwatchError: It does not exist, or is not valid; all that is wrong is said at once.
    """
    named = check.get("profile")
    if named is not None:
        found, because = load(str(named)), f"from {source}"
    else:
        found, because = _fitting(config, tuple(words))
    overlay = {key: value for key, value in check.items() if key not in OWN_KEYS}
    if overlay:
        changed, problems = profile.build(overlay, source, found)
        _refuse(problems)
        found = Profile(found.name, changed.title, changed.items, changed.milestones)
        because += f", changed by {source}"
    return Choice(found, because)


def load(name: str) -> Profile:
    """A profile by its name, or from a file.

    Raises:
        DualwatchError: There is none, or it is not valid.
    """
    return _shipped(name) if name in shipped() else _from_file(Path(name), _DEPTH)


def _fitting(config: str, words: tuple[str, ...]) -> Choice:
    for name in shipped():
        found = _shipped(name)
        if found.config and not fnmatch.fnmatch(config, found.config):
            continue
        mention = next((w for w in words if found.mentions and found.mentions in w.lower()), None)
        if found.mentions and mention is None:
            continue
        because = (
            f"the training mentions {mention}" if mention else "nothing special is known of it"
        )
        if found.config:
            because = f"{config} is one of {found.config}"
        return Choice(found, because)
    raise AssertionError("the last of them fits everything")


@cache
def shipped() -> Mapping[str, Path]:
    """The profiles that ship, by name, most special first."""
    paths = [path for domain in domains.installed() for path in domain.profiles]
    return {path.stem: path for path in (*paths, _FOLDER / f"{NEUTRAL}.toml")}


@cache
def _shipped(name: str) -> Profile:
    return _from_file(shipped()[name], _DEPTH)


def _from_file(path: Path, depth: int) -> Profile:
    table = _read(path)
    base = None
    if "extends" in table:
        parent = str(table["extends"])
        if depth <= 0:
            raise DualwatchError(
                f"the profile {path} extends itself, by way of others",
                why=f"it extends {parent}",
                do="let one of them extend none, or one that ships: " + ", ".join(shipped()),
            )
        inside = path.parent / parent
        base = _shipped(parent) if parent in shipped() else _from_file(inside, depth - 1)
    shown = path.stem if path in shipped().values() else str(path)
    found, problems = profile.build(table, shown, base)
    _refuse(problems)
    return found


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise DualwatchError(
            f"there is no profile {path}",
            why=f"neither one that ships ({', '.join(shipped())}) nor a file in {Path.cwd()}",
            do="name one that ships, or a TOML file",
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DualwatchError(
            f"the profile {path} cannot be read", why=str(error), do="correct the file"
        ) from None


def _refuse(problems: list[str]) -> None:
    if problems:
        raise DualwatchError(
            "the checklist's profile is not valid",
            why="\n".join(problems),
            do="`dualwatch check --list --profile NAME` lists the items of a profile that ships; "
            "docs/check.md shows what may be changed",
        )
