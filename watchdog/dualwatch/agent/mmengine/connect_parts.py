"""Whether the parts of a model take what the ones before them give: one pass without numbers.

Loaded by ``build_parts``. Only numbers of channels and of maps count. A part that takes other
inputs, or computes what has no values here, is not compared.
"""

from __future__ import annotations

import re

_CHANNELS = re.compile(r"Invalid channel dimensions|to have \d+ channels, but got \d+ channels")


def connect(model, trial):
    """Compares backbone, neck and heads; never raises."""
    import torch

    backbone, neck = getattr(model, "backbone", None), getattr(model, "neck", None)
    if not isinstance(backbone, torch.nn.Module):
        return
    if any(one.device.type != "meta" for one in backbone.parameters()):
        return
    try:
        with torch.no_grad():
            given = backbone(torch.empty(1, 3, 256, 256, device="meta"))
            channels = [int(one.shape[1]) for one in given]
    except Exception:
        return
    if isinstance(neck, torch.nn.Module):
        given = _neck(neck, given, channels, trial)
    if given is not None:
        _heads(model, given, trial)


def _neck(neck, given, channels, trial):
    """The maps that a neck makes of the backbone's; None where it makes none of them here."""
    import torch

    try:
        with torch.no_grad():
            return neck(given)
    except AssertionError:
        # Necks of mmdet count their inputs first.
        if len(getattr(neck, "in_channels", None) or channels) == len(channels):
            return None
    except RuntimeError as error:
        if _CHANNELS.search(str(error)) is None:
            return None
    except Exception:
        return None
    taken = getattr(neck, "in_channels", None)
    if isinstance(taken, (list, tuple)) and list(taken) != channels:
        text = "the neck takes {} channels, and the backbone gives {}".format(list(taken), channels)
        trial.fail("model", "model.neck.in_channels", "channels", text, str(channels))
    return None


def _heads(model, maps, trial):
    """Whether the heads on all maps have as many levels and channels as those."""
    import torch

    if not isinstance(maps, (list, tuple)) or not all(hasattr(one, "shape") for one in maps):
        return
    for name in ("rpn_head", "bbox_head"):
        head = getattr(model, name, None)
        if not isinstance(head, torch.nn.Module) or not hasattr(head, "prior_generator"):
            continue
        levels = getattr(head.prior_generator, "num_levels", None)
        if type(levels) is int and levels != len(maps):
            text = "model.{} is made for {} maps (its strides), and the neck gives {}".format(
                name, levels, len(maps)
            )
            trial.fail("model", "model." + name, "levels", text)
            return
        try:
            with torch.no_grad():
                head(maps)
        except RuntimeError as error:
            taken, given = getattr(head, "in_channels", None), int(maps[0].shape[1])
            if _CHANNELS.search(str(error)) and type(taken) is int and taken != given:
                text = "model.{} takes {} channels, and the neck gives {}"
                key = "model.{}.in_channels".format(name)
                trial.fail("model", key, "channels", text.format(name, taken, given), str(given))
                return
        except Exception:
            continue
