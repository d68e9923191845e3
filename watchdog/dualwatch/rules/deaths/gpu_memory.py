"""Who holds the memory of the GPU, by the numbers inside an out-of-memory message. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from dualwatch.core.units import GIB, MIB, size
from dualwatch.events import Circumstance

CONTEXT = GIB
"""What a process holds beside its allocator, at most: the CUDA context and libraries."""

HELD_SHARE = 0.1
"""Share of a GPU from which memory held by others is named; at least ``CONTEXT``."""

SPLIT_SHARE = 0.1
"""Share of a GPU that is reserved and not allocated from which it is called fragmented."""

_UNITS = {"bytes": 1, "B": 1, "KiB": 1024, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}
_SIZE = r"(\d+(?:\.\d+)?) (bytes|B|KiB|MiB|GiB|TiB)"

_ASKED = re.compile(rf"[Tt]ried to allocate {_SIZE}")
_GPU = re.compile(r"\bGPU (\d+)")
_TOTAL = re.compile(rf"{_SIZE} total capacity|total capac?i?ty of {_SIZE}")
_FREE = re.compile(rf"{_SIZE} (?:is )?free\b")
_ALLOCATED = re.compile(rf"{_SIZE} (?:already allocated|is allocated by PyTorch)")
_RESERVED = re.compile(rf"{_SIZE} (?:reserved in total|cached)")
_UNUSED = re.compile(rf"{_SIZE} is reserved by PyTorch but unallocated")
_OWN = re.compile(rf"this process has {_SIZE} memory in use")
_OTHER = re.compile(rf"Process (\d+) has {_SIZE} memory in use")


class GpuMemory(NamedTuple):
    """The numbers of one message, in bytes; None where it has none.

    Attributes:
        own: Held by the process that failed, its context included.
        others: pid -> held, of processes that the message names.
    """

    gpu: int | None
    asked: int | None
    total: int | None
    free: int | None
    allocated: int | None
    reserved: int | None
    own: int | None
    others: dict[int, int]

    @property
    def held_by_others(self) -> int | None:
        """Bytes that other processes hold at least; None where that is not known or not much."""
        if self.total is None:
            return None
        named = sum(self.others.values())
        if self.own is None and self.others and self.reserved is not None:
            # Newer versions list all processes, this one among them, by number.
            own = min(self.others.values(), key=lambda held: abs(held - (self.reserved or 0)))
            named -= own
        rest: int | None = None
        if self.free is not None and self.own is not None:
            rest = self.total - self.free - self.own
        elif self.free is not None and self.reserved is not None and not self.others:
            # Its own context and libraries are not among these numbers.
            rest = self.total - self.free - self.reserved
            if rest < CONTEXT + max(CONTEXT, HELD_SHARE * self.total):
                return None
        held = max(named, rest or 0)
        return held if held >= max(CONTEXT, HELD_SHARE * self.total) else None

    @property
    def circumstance(self) -> Circumstance | None:
        """What the remedy depends on beyond "the GPU is full"."""
        if self.asked is not None and self.total is not None and self.asked > self.total:
            return Circumstance.LARGER_THAN_GPU
        if self.reserved is None or self.allocated is None or self.asked is None:
            return None
        unused = self.reserved - self.allocated
        least = max(self.asked, SPLIT_SHARE * (self.total or 0))
        return Circumstance.FRAGMENTED if unused > least > 0 else None

    def lines(self) -> list[str]:
        """The numbers in words, one line."""
        parts = [
            (self.total, "in total"),
            (self.free, "free"),
            (self.reserved, "reserved by this process"),
            (self.allocated, "of that in use"),
            (self.asked, "asked for"),
        ]
        known = ", ".join(f"{size(count)} {what}" for count, what in parts if count is not None)
        name = f"GPU {self.gpu}" if self.gpu is not None else "the GPU"
        return [f"{name}: {known}"] if known else []

    def held_lines(self) -> list[str]:
        """Who else holds it: the headline, then the processes."""
        held = self.held_by_others
        if held is None or self.total is None:
            return []
        name = f"GPU {self.gpu}" if self.gpu is not None else "the GPU"
        about = "" if self.own is not None or self.others else "about "
        lines = [
            f"{about}{size(held)} of {size(self.total)} of {name} are held by other processes, by "
            "the numbers of the error"
        ]
        if self.own is not None:
            lines += [f"pid {pid} holds {size(much)}" for pid, much in self.others.items()][:3]
        return lines


def read(message: str) -> GpuMemory:
    """The numbers of a message, in the wordings of torch 1.4 to 2.9."""
    own, others = _bytes(_OWN.search(message)), {}
    for match in _OTHER.finditer(message):
        others[int(match[1])] = _number(match[2], match[3])
    allocated = _bytes(_ALLOCATED.search(message))
    reserved, unused = _bytes(_RESERVED.search(message)), _bytes(_UNUSED.search(message))
    if reserved is None and allocated is not None and unused is not None:
        reserved = allocated + unused
    gpu = _GPU.search(message)
    return GpuMemory(
        gpu=int(gpu[1]) if gpu is not None else None,
        asked=_bytes(_ASKED.search(message)),
        total=_bytes(_TOTAL.search(message)),
        free=_bytes(_FREE.search(message)),
        allocated=allocated,
        reserved=reserved,
        own=own,
        others=others,
    )


def _bytes(match: re.Match[str] | None) -> int | None:
    if match is None:
        return None
    number, unit = (group for group in match.groups() if group is not None)
    return _number(number, unit)


def _number(number: str, unit: str) -> int:
    return int(float(number) * _UNITS[unit])
