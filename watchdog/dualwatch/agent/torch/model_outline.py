"""Records the parts of the model, once, before the first iteration: which of them are trained.

A head whose parameters are frozen or were never given to the optimizer logs its loss as a working
one does. Parameters are counted by identity; no value is read, so nothing waits for a GPU.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dualwatch import protocol
from dualwatch.agent import files

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import Module, Optimizer

DEPTH = 2
MOST = 200
LENGTH = 200

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def write(
    model: Module, optimizers: list[Optimizer], folder: str, rank: int, words: str = ""
) -> None:
    """Writes ``model-RANK.json``; never raises.

    Args:
        model: What is trained.
        optimizers: Of torch, those that hold its parameters.
        folder: The attempt's folder.
        rank: Rank of this process; only the first one writes.
        words: See ``model_parts``.
    """
    if rank != 0:
        return
    try:
        record: protocol.ModelDocument = {
            "rank": rank,
            "parts": model_parts(model, optimizers, words),
        }
        files.put(os.path.join(folder, protocol.model_file(rank)), record)
    except Exception:
        files.note_error("recording the model")


def model_parts(
    model: Module, optimizers: list[Optimizer], words: str = ""
) -> list[protocol.ModelPartDocument]:
    """Upper modules and those whose name matches, in the model's order. Bounded.

    Args:
        model: What is trained, wrapped for several GPUs or not.
        optimizers: Of torch, those that hold its parameters.
        words: Pattern of words in the name of a module or its class that is recorded at any depth.
    """
    model = unwrapped(model)
    known = held(model, optimizers)
    wanted = chosen(model, re.compile(words) if words else None)
    return [_part(path, module, known) for path, module in wanted]


def has_word(name: str, words: re.Pattern[str] | None) -> bool:
    """Whether a word of a name, of a module or of its class, matches."""
    if words is None:
        return False
    return any(words.match(word.lower()) for word in _WORD.findall(name[:LENGTH]))


def unwrapped(model: Module) -> Module:
    """The user's own model, without the wrappers of DDP, its like and torch.compile."""
    for _ in range(5):
        children = list(model._modules)
        if children not in (["module"], ["_orig_mod"]):
            break
        model = model._modules[children[0]]
    return model


def chosen(model: Module, words: re.Pattern[str] | None = None) -> list[tuple[str, Module]]:
    """At most ``MOST`` of the modules; those that match come first, then those higher up."""
    ranked = []
    for place, (path, module) in enumerate(model.named_modules()):
        depth = path.count(".") + 1
        # By their own name: the children of one that matches are counted in it.
        if not path:
            continue
        if has_word(path.rsplit(".", 1)[-1], words) or has_word(type(module).__name__, words):
            ranked.append((0, place, path, module))
        elif depth <= DEPTH:
            ranked.append((depth, place, path, module))
    if has_word(type(model).__name__, words) and not any(rank == 0 for rank, _, _, _ in ranked):
        ranked.append((0, -1, "", model))  # It has no such part: it is one itself.
    kept = sorted(ranked, key=lambda one: one[:2])[:MOST]
    return [(path, module) for _, _, path, module in sorted(kept, key=lambda one: one[1])]


def held(model: Module, optimizers: list[Optimizer]) -> set[int] | None:
    """Identities of the parameters that the optimizers hold; None where that is unknown.

    One that holds none of the model's own parameters works on copies of them, as DeepSpeed's and
    some of half precision do: which are left out cannot be seen.
    """
    try:
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        held = {id(one) for group in groups for one in group["params"]}
    except Exception:
        return None
    return held if any(id(one) in held for one in model.parameters()) else None


def _part(path, module, held) -> protocol.ModelPartDocument:
    """Parameters in a module: all, those with a gradient, those of them in an optimizer."""
    every, trainable, optimised = 0, 0, 0
    for one in module.parameters():
        try:
            count = int(one.numel())
        except Exception:  # A lazy module has no shape before its first call.
            continue
        every += count
        if one.requires_grad:
            trainable += count
            if held is not None and id(one) in held:
                optimised += count
    return {
        "path": path[:LENGTH],
        "kind": type(module).__name__[:LENGTH],
        "parameters": every,
        "trainable": trainable,
        "optimised": None if held is None else optimised,
    }
