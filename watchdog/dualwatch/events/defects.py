"""What is wrong with a configuration that loads."""

from __future__ import annotations

import enum

from msgspec import Struct


class DefectKind(str, enum.Enum):
    """What kind of defect it is.

    ``NOT_A_TRAINING``: sections that a training needs are absent. ``OTHER_VERSION``: it is written
    for another version of the framework. ``INCOMPLETE``: sections that belong together are not all
    there. ``UNKNOWN_CODE``: a type, module or package is not found. ``NOT_BUILDABLE``: a part
    refuses its settings. ``CLASSES``: numbers or names of classes disagree. ``LABEL``: a label has
    no output. ``SCHEDULE``: something is never reached, or has no effect.
    """

    NOT_A_TRAINING = "not-a-training"
    OTHER_VERSION = "other-version"
    INCOMPLETE = "incomplete"
    UNKNOWN_CODE = "unknown-code"
    NOT_BUILDABLE = "not-buildable"
    CLASSES = "classes"
    LABEL = "label"
    SCHEDULE = "schedule"


class Defect(Struct, frozen=True, kw_only=True):
    """One defect, in the words of the framework's adapter.

    Attributes:
        key: Dotted key, "" where it concerns all of it.
        text: The fact, with its numbers.
        do: What to do about it.
        prevents: Whether the training fails or trains something else; else it is a warning.
    """

    kind: DefectKind
    key: str
    text: str
    do: str = ""
    prevents: bool = True


class PathsSeen(Struct, frozen=True, kw_only=True):
    """The data paths of a configuration that were looked for.

    Attributes:
        missing: Dotted key -> path that does not exist.
        folders, files: How many exist.
        passed_over: Dotted key -> why it was not looked for; bounded.
    """

    missing: dict[str, str] = {}
    folders: int = 0
    files: int = 0
    passed_over: dict[str, str] = {}
