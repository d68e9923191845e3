"""Settings that a Runner reads in another way than they are meant, or not at all. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from dualwatch.core.plain import PlainDict, PlainValue
from dualwatch.core.unread import is_unread
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config.literal import REST

_PARAMWISE = (
    "custom_keys",
    "norm_decay_mult",
    "bias_lr_mult",
    "bias_decay_mult",
    "dwconv_decay_mult",
    "dcn_offset_lr_mult",
    "flat_decay_mult",
    "bypass_duplicate",
)
"""What mmengine's own constructor of the optimizer reads; it passes over anything else."""


def defects(values: PlainDict) -> Iterator[Defect]:
    """What a Runner ignores, takes for something else, or refuses by its value."""
    yield from _beside_the_model(values)
    yield from _resume(values)
    yield from _refused_values(values)
    yield from _paramwise(values.get("optim_wrapper"))
    yield from _clipping(values.get("optim_wrapper"))
    yield from _initial(values.get("model"))


def _beside_the_model(values: PlainDict) -> Iterator[Defect]:
    """A preprocessor beside the model is taken only where the model has none."""
    model, beside = values.get("model"), values.get("data_preprocessor")
    own = model.get("data_preprocessor") if isinstance(model, Mapping) else None
    if isinstance(own, Mapping) and isinstance(beside, Mapping) and own != beside:
        differing = [str(n) for n in {**own, **beside} if own.get(n) != beside.get(n)]
        if any(is_unread(part) for part in (*own.values(), *beside.values())):
            return
        yield Defect(
            kind=DefectKind.SCHEDULE,
            key="data_preprocessor",
            text=f"data_preprocessor ({', '.join(differing[:4])}) has no effect: the model has "
            "model.data_preprocessor",
            do="Write model = dict(data_preprocessor=dict(...)).",
            prevents=False,
        )


def _resume(values: PlainDict) -> Iterator[Defect]:
    """A path, as mmcv 1.x's ``resume_from`` took it."""
    resume = values.get("resume")
    if isinstance(resume, str) and resume and not is_unread(resume):
        yield Defect(
            kind=DefectKind.SCHEDULE,
            key="resume",
            text=f"resume={resume!r} is taken for True: the path is not read, and the training "
            "resumes from the newest checkpoint of its work dir, or from none",
            do=f"Set resume = True and load_from = {resume!r}.",
        )


def _refused_values(values: PlainDict) -> Iterator[Defect]:
    scaling, loop = values.get("auto_scale_lr"), values.get("train_cfg")
    scaled = isinstance(scaling, Mapping) and scaling.get("enable") is True
    if isinstance(scaling, Mapping) and scaled and not {"base_batch_size", REST} & set(scaling):
        text = "auto_scale_lr has enable=True and no base_batch_size, without which a Runner "
        text += "ends with an AssertionError"
        do = "Add base_batch_size, the batch that the learning rate is meant for."
        yield _refused("auto_scale_lr.base_batch_size", text, do)
    interval = loop.get("val_interval") if isinstance(loop, Mapping) else None
    if type(interval) is int and interval == 0 and values.get("val_dataloader") is not None:
        text = "train_cfg.val_interval=0: the first epoch or iteration ends with a division by zero"
        do = "Set val_interval to 1 or more, or val_dataloader, val_cfg and val_evaluator to None."
        yield _refused("train_cfg.val_interval", text, do)


def _paramwise(wrapper: PlainValue) -> Iterator[Defect]:
    if not isinstance(wrapper, Mapping):
        return
    settings, constructor = wrapper.get("paramwise_cfg"), wrapper.get("constructor")
    if not isinstance(settings, Mapping) or REST in settings or REST in wrapper:
        return
    if constructor not in (None, "DefaultOptimWrapperConstructor"):
        return
    for name in settings:
        if name not in _PARAMWISE:
            near = difflib.get_close_matches(str(name), _PARAMWISE, 1, 0.7)
            yield Defect(
                kind=DefectKind.SCHEDULE,
                key=f"optim_wrapper.paramwise_cfg.{name}",
                text=f"optim_wrapper.paramwise_cfg.{name} has no effect: mmengine reads "
                f"{', '.join(_PARAMWISE)}",
                do=f"Is {near[0]} meant?" if near else f"Remove {name}.",
                prevents=False,
            )


_CLIPS = {
    "norm": ("max_norm", "norm_type", "error_if_nonfinite", "foreach"),
    "value": ("clip_value", "foreach"),
}
"""What torch's functions that clip gradients take."""


def _clipping(wrapper: PlainValue) -> Iterator[Defect]:
    """Settings that are only looked at when the first gradients are clipped."""
    clips = wrapper.get("clip_grad") if isinstance(wrapper, Mapping) else None
    if not isinstance(clips, Mapping) or REST in clips:
        return
    taken = _CLIPS.get(str(clips.get("type", "norm")), ())
    wrong = [str(name) for name in clips if taken and name not in ("type", *taken)]
    if wrong:
        text = f"optim_wrapper.clip_grad has {', '.join(wrong)}, which the clipping of gradients "
        text += "does not take: the first iteration ends with a TypeError"
        do = f"It takes {', '.join(taken)}."
        yield _refused(f"optim_wrapper.clip_grad.{wrong[0]}", text, do)


_RESNET = re.compile(r"(?:^|[/:_])resnet(\d+)(?!\d)", re.I)


def _initial(model: PlainValue) -> Iterator[Defect]:
    """Weights of a ResNet of another depth, of which a part fits and is loaded without a word."""
    backbone = model.get("backbone") if isinstance(model, Mapping) else None
    settings = backbone if isinstance(backbone, Mapping) else {}
    initial = settings.get("init_cfg")
    named = initial.get("checkpoint") if isinstance(initial, Mapping) else None
    depth = settings.get("depth")
    if str(settings.get("type")).rpartition(".")[2] != "ResNet" or not isinstance(named, str):
        return
    match = _RESNET.search(named)
    if match is not None and type(depth) is int and int(match[1]) != depth:
        yield Defect(
            kind=DefectKind.SCHEDULE,
            key="model.backbone.init_cfg.checkpoint",
            text=f"model.backbone has depth={depth}, and its weights are {named}: what does not "
            "fit stays random",
            do=f"Name the weights of a ResNet of depth {depth} in model.backbone.init_cfg.",
            prevents=False,
        )


def _refused(key: str, text: str, do: str) -> Defect:
    return Defect(kind=DefectKind.NOT_BUILDABLE, key=key, text=text, do=do)
