"""Notes the parts of the model, once, before the first iteration: what of them will be trained.

A contrastive head that was built, and whose parameters are frozen or were never given to the
optimizer, logs its loss as a working one does. Parameters are counted here by their identity; not
a single value is looked at, so a GPU is never waited for.
"""

from __future__ import annotations

import os
import re
from typing import Any

from dualwatch import protocol
from dualwatch.agent import files

DEPTH = 2
MOST = 200
LENGTH = 200

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TELLING = re.compile(r"macl|.*macl$|nce$|infonce|contrast|supcon|simclr|ntxent")
"""Of a word: "nce" alone, since it is also the end of "instance"."""


def write(runner: Any, folder: str, rank: int) -> None:
    """Writes ``model-RANK.json``; never raises.

    Args:
        runner: Its model and its optimizer are built.
        folder: The attempt's folder.
        rank: Rank of this process; the first one tells for all.
    """
    if rank != 0:
        return
    try:
        record: protocol.ModelDocument = {
            "rank": rank,
            "parts": model_parts(runner.model, getattr(runner, "optim_wrapper", None)),
        }
        files.put(os.path.join(folder, protocol.model_file(rank)), record)
    except Exception:
        files.note_error("looking at the model")


def model_parts(model: Any, optimizer: Any) -> list[protocol.ModelPartDocument]:
    """Upper modules and those that tell of a contrastive loss, in the model's order. Bounded.

    Args:
        model: What the Runner trains, wrapped for several GPUs or not.
        optimizer: mmengine's wrapper of one or of several optimizers, or a plain optimizer.
    """
    model = _unwrapped(model)
    held = _held(model, optimizer)
    return [_part(path, module, held) for path, module in _chosen(model)]


def is_informative(name: str) -> bool:
    """Whether a name, of a module or of its class, tells of a contrastive loss."""
    return any(_TELLING.match(word.lower()) for word in _WORD.findall(name[:LENGTH]))


def _unwrapped(model):
    """The user's own model: DDP and its like hold nothing else, and so does torch.compile."""
    for _ in range(5):
        children = list(model._modules)
        if children not in (["module"], ["_orig_mod"]):
            break
        model = model._modules[children[0]]
    return model


def _chosen(model) -> list[tuple[str, Any]]:
    """At most ``MOST`` of the modules; what is telling comes first, then what is higher up."""
    ranked = []
    for place, (path, module) in enumerate(model.named_modules()):
        depth = path.count(".") + 1
        # The name of a parent is not its children's: they are counted in it.
        if not path:
            continue
        if is_informative(path.rsplit(".", 1)[-1]) or is_informative(type(module).__name__):
            ranked.append((0, place, path, module))
        elif depth <= DEPTH:
            ranked.append((depth, place, path, module))
    if is_informative(type(model).__name__) and not any(rank == 0 for rank, _, _, _ in ranked):
        ranked.append((0, -1, "", model))  # The detector computes the loss itself.
    kept = sorted(ranked, key=lambda one: one[:2])[:MOST]
    return [(path, module) for _, _, path, module in sorted(kept, key=lambda one: one[1])]


def _held(model, optimizer) -> set[int] | None:
    """Identities of the parameters that the optimizer holds; None where it cannot be asked.

    One that holds none of the model's own parameters works on copies of them, as DeepSpeed's and
    some of half precision do, and says nothing of who is left out.
    """
    try:
        held = _ids(optimizer, 0)
    except Exception:
        return None
    return held if any(id(one) in held for one in model.parameters()) else None


def _ids(optimizer, depth) -> set[int]:
    several = getattr(optimizer, "optim_wrappers", None)
    if isinstance(several, dict) and depth < 3:
        return set().union(*(_ids(one, depth + 1) for one in several.values()))
    # mmengine's wrapper holds the optimizer; a plain one is its own.
    optimizer = getattr(optimizer, "optimizer", optimizer)
    return {id(one) for group in optimizer.param_groups for one in group["params"]}


def _part(path, module, held) -> protocol.ModelPartDocument:
    """Numbers in a module: all, those that want a gradient, those of them that are optimised."""
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
