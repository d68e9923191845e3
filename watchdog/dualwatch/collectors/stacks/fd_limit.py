"""How many files we may have open: with few of them, questions are asked one after the other."""

from __future__ import annotations

import sys

FEW = 64
"""Below this, several programs started at once use up what one after the other would not."""


def are_few() -> bool:
    """Whether our own limit of open files is so low that nothing should run side by side."""
    if sys.platform == "win32":
        return False
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft != resource.RLIM_INFINITY and soft < FEW
