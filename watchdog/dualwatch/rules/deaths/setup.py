"""DW308, DW601-DW605, DW607, DW610, DW611: what a configuration shows before the start."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.core.plain import as_dict
from dualwatch.events import (
    Circumstance,
    ConfigRead,
    DataSeen,
    Defect,
    DefectKind,
    Evidence,
    Finding,
    Severity,
)
from dualwatch.rules.deaths import quotes
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

NAMED = 5
OF_KIND = {
    DefectKind.NOT_A_TRAINING: "DW610",
    DefectKind.OTHER_VERSION: "DW610",
    DefectKind.INCOMPLETE: "DW610",
    DefectKind.NOT_BUILDABLE: "DW610",
    DefectKind.UNKNOWN_CODE: "DW607",
    DefectKind.CLASSES: "DW611",
    DefectKind.SCHEDULE: "DW611",
    DefectKind.LABEL: "DW308",
}
"""Kind of a defect -> its finding code."""

_BUILT = {"checkpoints-announced", "run-announced"}
"""Milestones before which model, loaders and optimizer were built."""

BOUND = 100
"""As many names as ``ConfigRead.unpaired`` holds at most."""


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Findings about the configuration."""
    config = s.config
    if config is None:
        return
    if config.error:
        yield _does_not_load(s, config)
        return
    yield from _risky(s, config)
    if config.missing and not (_has_trained(s) and s.ended is None):
        # A running training has read them, so dualwatch looks in the wrong place.
        yield _missing(s, config)
    if config.unpaired:
        yield _unpaired(s, config)
    if not _has_trained(s) and not s.milestones & _BUILT:
        # One that has trained could; what a journal or a log shows of it counts for more.
        yield from _defects(s, config)
        yield from _checkpoint(s, config)
    if not (_has_trained(s) or s.milestones or s.errors) and s.data is not None:
        yield from _images(s, config, s.data)


def _images(s: Snapshot, config: ConfigRead, data: DataSeen) -> Iterator[Finding]:
    """Images that annotations name and that are missing or unusable."""
    evidence = []
    for one in data.sets:
        if one.images == 0:
            evidence.append(_quote(config, f"{one.key}: its annotations name no image"))
        for count, names, what in (
            (one.lacking, one.absent, "missing"),
            (len(one.broken), one.broken, "unusable"),
        ):
            shown = ", ".join(names[:NAMED])
            if names and one.images is not None:
                text = f"{one.key}: {count or len(names)} of {one.looked_at} images {what}: {shown}"
                evidence.append(_quote(config, text))
            elif names and names is one.broken:  # The annotations themselves are not readable.
                evidence.append(_quote(config, f"{one.key}: unusable: {shown}"))
    if evidence:
        yield quotes.found(s, "DW603", evidence[:NAMED], 0.9)


def _defects(s: Snapshot, config: ConfigRead) -> Iterator[Finding]:
    """One finding for each code, of those that prevent the training and of the others."""
    for prevents in (True, False):
        by_code: dict[str, list[Defect]] = {}
        for one in config.defects:
            if one.kind is DefectKind.OTHER_VERSION and config.how != "loaded":
                continue  # Which version is to train it, its text does not show.
            if one.prevents is prevents:
                by_code.setdefault(OF_KIND[one.kind], []).append(one)
        for code, defects in by_code.items():
            evidence = [_quote(config, one.text) for one in defects[:NAMED]]
            remedy = " ".join(dict.fromkeys(one.do for one in defects[:NAMED] if one.do))
            severity = None if prevents else Severity.WARNING
            yield quotes.found(s, code, evidence, 0.95, severity, remedy=remedy)


def _does_not_load(s: Snapshot, config: ConfigRead) -> Finding:
    evidence = [_quote(config, config.error)]
    if _has_trained(s):
        # It loaded where the training runs: in another Python, or before an edit.
        evidence.append(_quote(config, "the training has started with it"))
        return quotes.found(s, "DW602", evidence, 0.3, Severity.WARNING)
    if config.timed_out:
        return quotes.found(s, "DW602", evidence, 0.6, Severity.ERROR, remedy=config.error_remedy)
    return quotes.found(s, "DW602", evidence, 0.95, remedy=config.error_remedy)


def _risky(s: Snapshot, config: ConfigRead) -> Iterator[Finding]:
    """Several workers that are persistent or spawned, and read two files per sample."""
    if not config.paired:
        return
    on_windows = config.platform.startswith("win")
    by_spawn = config.start_method == "spawn" or on_windows
    evidence = []
    for name, settings in config.loaders.items():
        settings = as_dict(settings)
        workers = settings.get("num_workers")
        if not _is_several(workers):
            continue
        kept = settings.get("persistent_workers") is True
        if not kept and not by_spawn:
            continue
        reasons = [f"num_workers={workers}"]
        reasons += ["persistent_workers=True"] if kept else []
        reasons.append("images in pairs")
        if by_spawn:
            reasons.append(
                "workers are spawned, as always on Windows" if on_windows else "workers are spawned"
            )
        evidence.append(_quote(config, f"{name}: {', '.join(reasons)}"))
    if evidence:
        yield quotes.found(s, "DW601", evidence, 0.6 if by_spawn else 0.5)


def _is_several(workers: object) -> bool:
    return isinstance(workers, int) and not isinstance(workers, bool) and workers > 1


def _missing(s: Snapshot, config: ConfigRead) -> Finding:
    evidence = [
        _quote(config, f"{path} does not exist ({key})")
        for key, path in list(config.missing.items())[:NAMED]
    ]
    if _has_trained(s):
        evidence.append(_quote(config, "the training has run: they existed then, or are elsewhere"))
        return quotes.found(s, "DW603", evidence, 0.3, Severity.WARNING)
    if config.how != "loaded":
        # Relative paths start at the folder of the training, which a dump does not contain.
        return quotes.found(s, "DW603", evidence, 0.5, Severity.WARNING)
    return quotes.found(s, "DW603", evidence, 0.95)


def _checkpoint(s: Snapshot, config: ConfigRead) -> Iterator[Finding]:
    """Weights to start from that are not there, or are not whole."""
    seen = s.checkpoint
    if seen is None or (seen.exists is not False and seen.whole is not False):
        return
    absent = seen.exists is False
    text = f"{seen.path} does not exist" if absent else f"{seen.path}: {seen.why}"
    named = Circumstance.NO_SUCH_CHECKPOINT if absent else Circumstance.NOT_A_CHECKPOINT
    loaded = config.how == "loaded"
    # Relative paths start at the folder of the training, which a text does not contain.
    severity = None if loaded else Severity.WARNING
    confidence = 0.95 if loaded else 0.5
    yield quotes.found(s, "DW605", [_quote(config, text)], confidence, severity, circumstance=named)


def _unpaired(s: Snapshot, config: ConfigRead) -> Finding:
    count = len(config.unpaired)
    at_least = "at least " if count >= BOUND else ""
    image = "image has" if count == 1 else "images have"
    text = f"{at_least}{count} {image} no partner in the other modality"
    text += f", of {config.looked_at} pairs checked" if config.looked_at else ""
    names = [_quote(config, f"without a partner: {name}") for name in config.unpaired[:NAMED]]
    return quotes.found(s, "DW604", [_quote(config, text), *names], 0.9)


def _has_trained(s: Snapshot) -> bool:
    return s.last_iteration is not None or s.train_lines > 0


def _quote(config: ConfigRead, text: str) -> Evidence:
    return Evidence(text=text, source=config.path or "configuration", wall=config.wall)
