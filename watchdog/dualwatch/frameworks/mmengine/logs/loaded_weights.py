"""Lines of mmengine and mmcv about a checkpoint that does not fit the model.

They follow each other without a prefix, after a line of the logger::

    2026/01/01 10:00:00 - mmengine - WARNING - The model and loaded state dict do not match exactly

    size mismatch for head.fc.weight: copying a param with shape torch.Size([81, 9]) from
        checkpoint, the shape in current model is torch.Size([7, 9]).   (one line)
    unexpected key in source state_dict: fc.weight, fc.bias

    missing keys in source state_dict: neck.convs.0.weight, neck.convs.0.bias
"""

from __future__ import annotations

import re

from dualwatch.core.text import CUT_MARK
from dualwatch.events import KeysReported, KeysState

BEGINS = "The model and loaded state dict do not match exactly"
_UNEXPECTED = "unexpected key in source state_dict: "
_MISSING = "missing keys in source state_dict: "
_RESHAPED = "size mismatch for "
STARTS = (BEGINS, _UNEXPECTED, _MISSING, _RESHAPED)

MOST = 600
LENGTH = 200

_SHAPES = re.compile(
    r"size mismatch for (?P<key>\S{1,300}): copying a param with shape "
    r"(?:torch\.Size\(\[(?P<theirs>[\d, ]*)\]\)|\((?P<theirs_old>[\d, ]*)\)) from checkpoint, "
    r"the shape in current model is "
    r"(?:torch\.Size\(\[(?P<ours>[\d, ]*)\]\)|\((?P<ours_old>[\d, ]*)\))"
)


class LoadedWeightsLines:
    """Reads one stream; counts the checkpoints that it reports on."""

    def __init__(self) -> None:
        self._number = 0

    def parse(self, line: str, at: float, wall: float) -> KeysReported | None:
        """The event that a line states; None for all other lines."""
        if line.endswith(BEGINS):
            self._number += 1
            return None
        if line.startswith(_UNEXPECTED):
            return self._listed(KeysState.UNEXPECTED, line[len(_UNEXPECTED) :], at, wall)
        if line.startswith(_MISSING):
            return self._listed(KeysState.MISSING, line[len(_MISSING) :], at, wall)
        if line.startswith(_RESHAPED):
            return self._reshaped(line, at, wall)
        return None

    def _listed(self, state: KeysState, text: str, at: float, wall: float) -> KeysReported:
        is_cut = text.endswith(CUT_MARK)
        keys = [key for key in text.strip().split(", ") if key]
        if is_cut:
            keys = keys[:-1]  # The last one is a part of a name.
        return KeysReported(
            at=at,
            wall=wall,
            load=self._number,
            state=state,
            keys=tuple(key[:LENGTH] for key in keys[:MOST]),
            is_cut=is_cut or len(keys) > MOST,
        )

    def _reshaped(self, line: str, at: float, wall: float) -> KeysReported | None:
        found = _SHAPES.match(line)
        if found is None:
            return None
        theirs = found["theirs"] or found["theirs_old"] or ""
        ours = found["ours"] or found["ours_old"] or ""
        return KeysReported(
            at=at,
            wall=wall,
            load=self._number,
            state=KeysState.RESHAPED,
            keys=(found["key"][:LENGTH],),
            shapes=(_sizes(theirs), _sizes(ours)),
        )


def _sizes(text: str) -> str:
    return "x".join(part.strip() for part in text.split(",") if part.strip()) or "scalar"
