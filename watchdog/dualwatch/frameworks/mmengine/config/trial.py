"""What building a training's parts as a trial has shown, as defects. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dualwatch.core.plain import as_dict
from dualwatch.core.text import clean
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config.fields import without_scope
from dualwatch.frameworks.spec import Trial

_REGISTRY = re.compile(r"^['\"]?(?P<type>[\w.]+) is not in the (?P<where>[\w :]*registry)")
_MODULE = re.compile(r"No module named '([\w.]+)'|please install (?:it by|with)?|pip install", re.I)
_UNEXPECTED = re.compile(
    r"(?P<type>\w+)\.__init__\(\) got an unexpected keyword argument '(?P<name>\w+)'"
)
_MISSING = re.compile(r"(?P<type>\w+)\.__init__\(\) (?:is )?missing ")
MOST = 8


def of_parts(parts: Mapping[str, Any], values: Mapping[str, Any]) -> Trial:
    """The result of ``agent.mmengine.build_parts`` for a configuration.

    Args:
        values: The configuration, to find the key of what failed.
    """
    failed = [one for one in parts.get("failed", ()) if isinstance(one, Mapping)]
    skipped = {str(k): clean(str(v), 300) for k, v in dict(parts.get("skipped", {})).items()}
    skipped.pop("trace", None)
    found: list[Defect] = []
    for one in failed[:MOST]:
        defect = _defect(one, values)
        if all(defect.text != other.text for other in found):
            found.append(defect)
    return Trial(
        defects=tuple(found),
        built=tuple(str(one) for one in parts.get("built", ())),
        not_built=skipped,
        classes={str(k): tuple(v) for k, v in dict(parts.get("classes", {})).items()},
    )


def _defect(failed: Mapping[str, Any], values: Mapping[str, Any]) -> Defect:
    kind, text = str(failed.get("kind")), clean(str(failed.get("text")), 600)
    key = str(failed.get("key"))
    near = str(failed.get("near") or "")
    if kind == "scope":
        package = text.split("'")[1] if "'" in text else ""
        do = f"Install {package} into the Python of the training (--python), or correct the name."
        return Defect(kind=DefectKind.UNKNOWN_CODE, key=key, text=text, do=do)
    if kind == "channels":
        return Defect(kind=DefectKind.NOT_BUILDABLE, key=key, text=text, do=f"Set {key} = {near}.")
    if kind == "levels":
        do = f"Give the anchors or points of {key} one stride for each map, or change num_outs."
        return Defect(kind=DefectKind.NOT_BUILDABLE, key=key, text=text, do=do)
    if kind == "unpacked":
        do = "Add dict(type='PackDetInputs') (or the framework's own) at the end of the pipeline."
        return Defect(kind=DefectKind.INCOMPLETE, key=key, text=f"{key}: {text}", do=do)
    if kind == "unloaded":
        what = DefectKind.NOT_BUILDABLE
        return Defect(kind=what, key=key, text=f"{key}: {text}", do=near)
    if kind == "transform":
        do = f"Correct the settings of {near} in {key}."
        return Defect(kind=DefectKind.NOT_BUILDABLE, key=key, text=f"{key}: {text}", do=do)
    registry = _REGISTRY.match(text)
    if registry is not None:
        named = without_scope(registry["type"])
        place = next(_places(values, "", named), key)
        meant = f" Is {near} meant?" if near else ""
        return Defect(
            kind=DefectKind.UNKNOWN_CODE,
            key=place,
            text=f"{registry['type']} is not in the {registry['where']} ({place})",
            do="Correct the name, or import the module that registers it: custom_imports="
            f"dict(imports=['PACKAGE.MODULE']).{meant}",
        )
    if _MODULE.search(text) or kind in ("ModuleNotFoundError", "ImportError"):
        return Defect(
            kind=DefectKind.UNKNOWN_CODE,
            key=key,
            text=f"{key}: {kind}: {text}",
            do="Install what is missing into the Python of the training (--python).",
        )
    if text == "None is not a callable object" and key == "optim_wrapper":
        optimizer = as_dict(as_dict(values.get(key)).get("optimizer")).get("type")
        return Defect(
            kind=DefectKind.UNKNOWN_CODE,
            key="optim_wrapper.optimizer.type",
            text=f"{optimizer} is not a registered optimizer (optim_wrapper.optimizer.type)",
            do="Correct the name of the optimizer, or import the module that registers it.",
        )
    unexpected = _UNEXPECTED.search(text)
    if unexpected is not None:
        name = unexpected["name"]
        place = next(_places(values, "", unexpected["type"], name), key.removesuffix(f".{name}"))
        return Defect(
            kind=DefectKind.NOT_BUILDABLE,
            key=f"{place}.{name}",
            text=f"{text} ({place}.{name})",
            do=f"Remove {name} from {place}. If it comes from a _base_ of another type, replace "
            f"the base's section: {place} = dict(_delete_=True, type='{unexpected['type']}', ...).",
        )
    missing = _MISSING.search(text)
    if missing is not None:
        place = next(_places(values, "", missing["type"]), key)
        do = f"Add what is missing to {place}."
        return Defect(kind=DefectKind.NOT_BUILDABLE, key=place, text=f"{text} ({place})", do=do)
    if kind == "FileNotFoundError":
        return Defect(
            kind=DefectKind.NOT_BUILDABLE,
            key=key,
            text=f"{key} cannot be built: {kind}: {text}",
            do="Start from the folder that the path is relative to, or write it as a whole.",
        )
    return Defect(
        kind=DefectKind.NOT_BUILDABLE,
        key=key,
        text=f"{key} cannot be built: {kind}: {text}",
        do=f"Change {key} so that its classes accept it; the error is the one that the start of "
        "the training would end with.",
    )


def _places(value: Any, key: str, kind: str, name: str = "", depth: int = 0) -> Iterator[str]:
    """Dotted keys of sections of a type that have a setting of a name."""
    if depth > 30:
        return
    if isinstance(value, Mapping):
        own = value.get("type")
        if isinstance(own, str) and without_scope(own) == kind and (not name or name in value):
            yield key
        for inner, part in value.items():
            yield from _places(part, f"{key}.{inner}" if key else str(inner), kind, name, depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _places(part, f"{key}.{index}", kind, name, depth + 1)
