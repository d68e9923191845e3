"""Checks of a configuration before the start: it loads, its data exists, it pairs images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dualwatch import frameworks
from dualwatch.checks.item import (
    CheckSubject,
    Item,
    NotJudged,
    Reading,
    RunLife,
    failed,
    passed,
    skipped,
    warned,
)
from dualwatch.events import ConfigRead, DataSet, Defect, DefectKind
from dualwatch.rules.deaths.setup import OF_KIND

NAMED = 3
CROWD = 2
"""Workers per core that can still gain by waiting for the disk."""

_UNKNOWN = "the configuration of this training is not known"
_NO_DATA = "it names no data"
_UNREAD = "the configuration could not be read"


def config_loads(subject: CheckSubject, item: Item) -> Reading:
    """It loads as the training would load it; one that a training began with did."""
    config, expected = subject.s.config, "the configuration loads without an error"
    if config is None:
        return skipped(_UNKNOWN, expected)
    if config.error and not subject.has_trained:
        return failed(config.error, expected, remedy=config.error_remedy)
    if subject.has_trained:
        return passed(f"a training has started with it: {config.path}", expected)
    if config.how == "loaded":
        return passed(f"loaded: {config.path}", expected)
    why = "read as text; loading it needs the Python of the training (--python)"
    return skipped(why, expected)


def can_train(subject: CheckSubject, item: Item) -> Reading:
    """It describes a training: nothing that one needs is absent."""
    config, expected = subject.s.config, "it has all that a training needs"
    if config is None:
        return skipped(_UNKNOWN, expected)
    if subject.has_trained:
        return passed("a training has started with it", expected)
    if not config.whole:
        return skipped(config.unknown("") or _UNREAD, expected)
    wrong = _of_kinds(config, NOT_A_TRAINING)
    if _is_of_another_version(config):
        why = f"{wrong[0].text}; which version its training has is not known"
        return skipped(why, expected)
    if wrong:
        return _faulty(wrong, expected)
    if config.how != "loaded" and not config.loaders:
        return skipped("what it needs depends on the Python of the training", expected)
    return passed("model, data, loop and optimizer are configured", expected)


def parts_built(subject: CheckSubject, item: Item) -> Reading:
    """Its parts can be built; see ``Framework.load``."""
    config, expected = subject.s.config, "every part of the training can be built"
    if config is None or config.error:
        return skipped(_UNKNOWN if config is None else _UNREAD, expected)
    if subject.has_trained:
        return passed("a training has built them", expected)
    wrong = _of_kinds(config, BUILDING)
    if wrong:
        return _faulty(wrong, expected)
    left = [f"{part}: {why}" for part, why in list(config.not_built.items())[:NAMED]]
    if not config.built:
        why = "building them needs the Python of the training (--python)"
        return replace(skipped("; ".join(left) or why, expected), reason=NotJudged.UNTRIED)
    observed = f"built or compared with their classes: {', '.join(config.built)}"
    if left:
        # Unknown is not well: what was not tried is named, and the item is not passed.
        return skipped(f"{observed}; not tried: {'; '.join(left)}", expected)
    return passed(observed, expected)


def classes_agree(subject: CheckSubject, item: Item) -> Reading:
    """Heads, data sets, augmentations and annotations have the same classes."""
    config, expected = subject.s.config, "model, data and annotations agree on classes"
    if config is None or subject.has_trained:
        why = _UNKNOWN if config is None else "the training has begun"
        return skipped(why, expected)
    if not config.whole:
        return skipped(config.unknown("") or _UNREAD, expected)
    wrong = _of_kinds(config, (DefectKind.CLASSES, DefectKind.LABEL))
    if wrong:
        return _faulty(wrong, expected)
    if not config.compared:
        return skipped("no number of classes that could be compared", expected)
    return passed(f"compared: {', '.join(config.compared)}", expected)


def schedules_reached(subject: CheckSubject, item: Item) -> Reading:
    """Schedules, validations and the best checkpoint come into force before the end."""
    config, expected = subject.s.config, "every schedule and validation is reached"
    if config is None or subject.has_trained:
        why = _UNKNOWN if config is None else "the training has begun"
        return skipped(why, expected)
    if not config.whole:
        return skipped(config.unknown("") or _UNREAD, expected)
    wrong = _of_kinds(config, (DefectKind.SCHEDULE,))
    if wrong:
        return _faulty(wrong, expected)
    if _is_of_another_version(config):
        return skipped("the schedules of another version are not compared", expected)
    if config.epochs is None and config.iterations is None:
        return skipped("how long it trains is not known", expected)
    return passed("nothing that never comes into force", expected)


NOT_A_TRAINING = (DefectKind.NOT_A_TRAINING, DefectKind.OTHER_VERSION, DefectKind.INCOMPLETE)
BUILDING = (DefectKind.NOT_BUILDABLE, DefectKind.UNKNOWN_CODE)


def _is_of_another_version(config: ConfigRead) -> bool:
    """Whether it was read as text and is in the form of another version of its framework."""
    others = _of_kinds(config, (DefectKind.OTHER_VERSION,))
    return config.how != "loaded" and bool(others)


def _of_kinds(config: ConfigRead, kinds: Sequence[DefectKind]) -> list[Defect]:
    return [one for one in config.defects if one.kind in kinds]


def _faulty(wrong: Sequence[Defect], expected: str) -> Reading:
    """The reading of defects, the worst of which come first."""
    observed = "; ".join(one.text for one in wrong[:NAMED])
    observed += f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    remedy = " ".join(dict.fromkeys(one.do for one in wrong[:NAMED] if one.do))
    result = failed if any(one.prevents for one in wrong) else warned
    return result(observed, expected, code=OF_KIND[wrong[0].kind], remedy=remedy)


def data_present(subject: CheckSubject, item: Item) -> Reading:
    """Folders and annotation files that it names exist."""
    config, expected = subject.s.config, "every folder and file that the configuration names exists"
    if config is None or not config.loaders:
        why = _UNKNOWN if config is None else config.unknown("data")
        return skipped(why or (_NO_DATA if config and config.whole else _UNREAD), expected)
    if config.missing:
        shown = [f"{path} ({key})" for key, path in list(config.missing.items())[:NAMED]]
        more = f" and {len(config.missing) - NAMED} more" if len(config.missing) > NAMED else ""
        observed = f"missing: {', '.join(shown)}{more}"
        if subject.has_trained:
            # The training read them where it ran, which may be another place.
            return warned(f"{observed}; the training found them elsewhere", expected)
        if subject.life is not RunLife.PLANNED:
            return warned(f"{observed}; the run may be from another machine", expected)
        return failed(observed, expected)
    if not config.platform:
        return skipped("the data may be on another machine", expected)
    passed_over = [f"{key}: {why}" for key, why in list(config.passed_over.items())[:NAMED]]
    if not config.folders and not config.files:
        why = "; ".join(passed_over) or "it names no path of data that could be looked for"
        return skipped(config.unknown("data") or why, expected)
    observed = f"exist: {_count(config.folders, 'folder')}, {_count(config.files, 'file')}"
    observed += f"; not looked for: {'; '.join(passed_over)}" if passed_over else ""
    unknown = config.unknown("data")
    if unknown is not None:
        return skipped(f"{observed}; {unknown}", expected)
    return passed(observed, expected)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def images_present(subject: CheckSubject, item: Item) -> Reading:
    """Images that annotations name exist."""
    seen, expected = subject.s.data, "images that the annotations name exist"
    if seen is None or not seen.sets:
        return skipped("no data set was checked", expected)
    unread = [one for one in seen.sets if one.images is None]
    without = [one for one in seen.sets if one.images is None and one.absent]
    if without:
        observed = f"{without[0].absent[0]} is missing ({without[0].key}): no image was looked for"
        if subject.has_trained or subject.life is not RunLife.PLANNED:
            return skipped(f"{observed}; the data may be on another machine", expected)
        return failed(observed, expected)
    for kind, shown_as in (("absent", "missing"), ("broken", "unusable")):
        bad = [one for one in seen.sets if getattr(one, kind)]
        if bad:
            names = [name for one in bad for name in getattr(one, kind)]
            count = sum(one.lacking for one in bad) if kind == "absent" else 0
            shown = f"{', '.join(names[:NAMED])} ({bad[0].key})"
            observed = f"{count or len(names)} {shown_as}, of {_looked(seen.sets)}: {shown}"
            return failed(observed, expected)
    empty = next((one for one in seen.sets if one.images == 0), None)
    if empty is not None:
        return failed(f"{empty.key}: its annotations name no image", expected)
    if unread:
        return skipped(f"{unread[0].key}: {unread[0].why or 'not checked'}", expected)
    return passed(f"{_looked(seen.sets)} checked, all exist", expected)


def _looked(sets: tuple[DataSet, ...]) -> str:
    total = sum(one.images or 0 for one in sets)
    looked = sum(one.looked_at for one in sets)
    return f"{looked} images" if looked >= total else f"{looked} of {total} images"


def pairs_complete(subject: CheckSubject, item: Item) -> Reading:
    """Every image has its partner in the other modality."""
    config, expected = subject.s.config, "every image has its partner"
    if config is None:
        return skipped(_UNKNOWN, expected)
    if config.unpaired:
        shown = ", ".join(config.unpaired[:NAMED])
        observed = f"{len(config.unpaired)} without a partner, of {config.looked_at}: {shown}"
        return failed(observed, expected)
    if not config.looked_at:
        return skipped("no two folders of images to compare", expected)
    if (unknown := config.unknown("data")) is not None:
        return skipped(unknown, expected)
    return passed(f"{config.looked_at} pairs compared, all complete", expected)


def pairing_on(subject: CheckSubject, item: Item) -> Reading:
    """The training is meant to read both modalities."""
    config, expected = subject.s.config, "the configuration names two modalities"
    if config is None or config.paired is None:
        return skipped(_UNKNOWN if config is None else "not configured", expected)
    if not config.paired:
        return failed("the configuration names one modality only", expected)
    return passed("the configuration names two modalities", expected)


def preprocessor(subject: CheckSubject, item: Item) -> Reading:
    """The data preprocessor is one for pairs, by its name."""
    config, wanted = subject.s.config, item.limits["mentions"]
    if config is not None and config.error:
        return skipped(_UNREAD)
    expected = f"a data preprocessor for pairs (its type mentions {' or '.join(wanted)})"
    if config is None or not config.preprocessor:
        return skipped(_UNKNOWN if config is None else "the configuration names none", expected)
    if not any(word.lower() in config.preprocessor.lower() for word in wanted):
        return failed(f"it is a {config.preprocessor}", expected)
    return passed(config.preprocessor, expected)


def model_word(subject: CheckSubject, item: Item) -> Reading:
    """The model has a part of that name."""
    config, wanted = subject.s.config, item.limits["mentions"]
    expected = f"the model mentions {wanted}"
    if config is None or not config.model_words:
        return skipped(_UNKNOWN if config is None else _UNREAD, expected)
    named = next((word for word in config.model_words if wanted.lower() in word.lower()), None)
    unknown = config.unknown("model")
    if named is None and unknown is not None:
        return skipped(unknown, expected)
    if named is None:
        return failed(f"no key and no type in the model mentions {wanted}", expected)
    return passed(f"the model mentions {named}", expected)


def loader_settings(subject: CheckSubject, item: Item) -> Reading:
    """No loader settings that are known to deadlock (DW601)."""
    config, expected = subject.s.config, "no loader settings that are known to deadlock"
    unknown = config.unknown("loaders") if config is not None else None
    if config is None or not config.loaders:
        why = _UNKNOWN if config is None else unknown
        return skipped(why or (_NO_DATA if config and config.whole else _UNREAD), expected)
    found = subject.found("DW601")
    crowded = _crowded(subject, config)
    if found is None and crowded:
        return warned(crowded, expected, code="DW601", remedy=_FEWER)
    if found is None and unknown is not None:
        return skipped(unknown, expected)
    if found is None:
        return passed(_settings(config), expected)
    by_spawn = config.start_method == "spawn" or config.platform.startswith("win")
    result = failed if by_spawn and not subject.has_trained else warned
    return result(found.headline, expected, code="DW601", remedy=found.remedy)


_FEWER = "Set num_workers to the number of CPU cores at most, all ranks together."


def _crowded(subject: CheckSubject, config: ConfigRead) -> str:
    """More workers than the cores of this machine can feed; "" where that is not so."""
    host = subject.s.host
    cpus = host.cpus if host is not None else None
    if cpus is None or subject.has_trained or subject.life is not RunLife.PLANNED:
        return ""
    for name, settings in config.loaders.items():
        workers = settings.get("num_workers") if isinstance(settings, Mapping) else None
        if type(workers) is int and workers > CROWD * cpus:
            return f"{name} starts {workers} workers on {cpus:g} CPU cores"
    return ""


def _settings(config: ConfigRead) -> str:
    loader: Any = next(iter(config.loaders.values()), {})  # The training loader comes first.
    names = ("batch_size", "num_workers", "persistent_workers")
    known = loader if isinstance(loader, Mapping) else {}
    values = [f"{name}={known[name]}" for name in names if name in known]
    return ", ".join(values) or "the defaults"


def tensorboard_backend(subject: CheckSubject, item: Item) -> Reading:
    """The training writes event files."""
    config, expected = subject.s.config, "a TensorBoard writer among the configured ones"
    seen = subject.s.tensorboard
    if seen is not None and seen.files:
        files = "1 event file" if seen.files == 1 else f"{seen.files} event files"
        return passed(f"{files} of this run", expected)
    if config is None or config.backends is None:
        return skipped(_UNKNOWN if config is None else "not configured", expected)
    if not any("tensorboard" in name.lower() for name in config.backends):
        shown = ", ".join(config.backends) or "none"
        adapter = frameworks.get(config.framework)
        older = adapter.advice_on("DW802", config) if adapter.is_older(config) else ""
        return failed(f"configured writers: {shown}", expected, remedy=older)
    return passed(", ".join(config.backends), expected)


def checkpoint(subject: CheckSubject, item: Item) -> Reading:
    """The checkpoint that it is to start from exists and is whole."""
    seen, expected = subject.s.checkpoint, "the checkpoint to start from exists and is whole"
    config = subject.s.config
    if seen is None:
        if config is None or config.error:
            return skipped(_UNKNOWN, expected)
        unknown = config.unknown("start")
        if not config.load_from and unknown is not None:
            return skipped(unknown, expected)
        if not config.load_from and not config.resumes:
            return passed("it starts from no checkpoint", expected)
        return skipped("the checkpoint was not checked", expected)
    started = subject.s.started
    if (
        seen.exists is False
        and started is not None
        and started.resumed_from == seen.path
        and subject.has_trained
    ):
        return passed(f"loaded at the start, replaced since by dualwatch: {seen.path}", expected)
    if seen.exists is False:
        return failed(f"missing: {seen.path}", expected)
    if seen.whole is False:
        return failed(f"{seen.path}: {seen.why}", expected)
    if seen.exists is None or seen.whole is None:
        return skipped(f"{seen.path}: {seen.why or 'not checked'}", expected)
    return passed(f"whole: {seen.path}", expected)
