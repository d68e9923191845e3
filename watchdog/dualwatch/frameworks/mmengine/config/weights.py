"""Whether heads have as many class weights as classes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dualwatch.core.plain import PlainDict, PlainValue
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config import fields


def defects(values: PlainDict) -> Iterator[Defect]:
    """A list of class weights has one for each class, or one more for the background."""
    waiting: list[tuple[str, PlainValue]] = [("model", values.get("model"))]
    seen = 0
    while waiting and seen < fields.MOST_PARTS:
        key, section = waiting.pop()
        seen += 1
        if isinstance(section, (list, tuple)):
            waiting += [(f"{key}.{index}", part) for index, part in enumerate(section)]
        if not isinstance(section, Mapping):
            continue
        waiting += [(f"{key}.{name}", part) for name, part in section.items()]
        number, loss = _outputs(section), section.get("loss_cls")
        weights = loss.get("class_weight") if isinstance(loss, Mapping) else None
        if number is None or not isinstance(weights, (list, tuple)):
            continue
        if len(weights) not in (number, number + 1):
            place = f"{key}.loss_cls.class_weight"
            yield Defect(
                kind=DefectKind.CLASSES,
                key=place,
                text=f"{place} has {len(weights)} weights, and {key} has {number} classes, or "
                f"{number + 1} with the background",
                do=f"Write class_weight=[1.0] * {number} + [0.1], or one weight for each class.",
            )


def _outputs(head: PlainDict) -> int | None:
    """The classes of a head, of either form."""
    things, stuff = head.get("num_things_classes"), head.get("num_stuff_classes")
    if type(things) is int and type(stuff) is int:
        return things + stuff
    number = head.get("num_classes")
    return number if type(number) is int and number > 0 else None
