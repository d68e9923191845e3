"""Applies the supervisor's overrides to the arguments of a Runner that is about to be built.

They take effect whatever the user's script does with its command line, and the configuration file
stays as it is.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import TypeGuard


def apply(
    overrides: dict[str, object], arguments: dict[str, object]
) -> tuple[dict[str, object], dict[str, str]]:
    """Applies dotted keys to the Runner's arguments, and to the ``cfg`` among them.

    The ``cfg`` is what mmengine dumps and what hooks read, and with ``Runner.from_cfg`` its parts
    are the very objects that are passed as arguments: setting twice does no harm.

    Args:
        overrides: Dotted key -> value; None removes the key.
        arguments: Keyword arguments of ``Runner.__init__``, changed in place.

    Returns:
        What is in force, and what was refused with the reason.
    """
    applied: dict[str, object] = {}
    refused: dict[str, str] = {}
    cfg = arguments.get("cfg")
    for key, value in overrides.items():
        path = key.split(".")
        try:
            set_dotted(arguments, path, value)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            refused[key] = str(error.args[0] if error.args else error)
            continue
        applied[key] = value
        if cfg is not None:
            # If this fails only the dump lacks it; the argument above is what counts.
            with contextlib.suppress(KeyError, IndexError, TypeError, ValueError):
                set_dotted(cfg, path, value)
    return applied, refused


def set_dotted(container: object, path: list[str], value: object) -> None:
    """Sets ``container[a][b]... = value``, or removes the last key where value is None.

    Args:
        container: Nested mappings and lists.
        path: Keys; a number is an index where the container is a list.

    Raises:
        KeyError, IndexError, TypeError, ValueError: The path does not exist; the message has the
            part that is missing.
    """
    *parents, last = path
    for depth, part in enumerate(parents):
        if isinstance(container, (list, tuple)):
            container = container[int(part)]
        elif _is_mapping(container):
            if part not in container or container[part] is None:
                # The script removed this part: there is nothing to change.
                return
            container = container[part]
        else:
            raise TypeError(
                "{} is {}, built before dualwatch could change it".format(
                    ".".join(path[:depth]), type(container).__name__
                )
            )
    if isinstance(container, list):
        container[int(last)] = value
    elif not _is_mapping(container):
        raise TypeError(
            "{} is {}, built before dualwatch could change it".format(
                ".".join(parents), type(container).__name__
            )
        )
    elif value is None:
        container.pop(last, None)
    else:
        container[last] = value


def _is_mapping(value: object) -> TypeGuard[dict[str, object]]:
    # mmengine's Config is no Mapping, yet has the methods of one.
    return isinstance(value, dict) or type(value).__name__ in ("Config", "ConfigDict")
