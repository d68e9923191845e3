"""A configuration as the event that rules judge, found beside a run or named by the user.

A file that was merely found is never executed. One that the user named is loaded as the training
would load it, in a child process with a time limit.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dualwatch import domains, frameworks
from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError
from dualwatch.core.plain import PlainDict, PlainValue, as_dict
from dualwatch.core.text import clean
from dualwatch.datasets.layouts import Guess, ReadLayout
from dualwatch.domains.base import Pairing, Progress, silent
from dualwatch.events import ConfigRead, PathsSeen
from dualwatch.frameworks.base import TIME_LIMIT, ConfigTimeout, TrainingSpec


class FoundConfig(NamedTuple):
    """A configuration as an event, and what the event is made of.

    Attributes:
        roots: Where its relative paths may begin.
    """

    event: ConfigRead
    spec: TrainingSpec
    roots: tuple[Path, ...]


class PairOptions(NamedTuple):
    """How the pairs of its data sets are compared; see ``Domain.pairing``."""

    all_pairs: bool = False
    progress: Progress = silent


SAMPLED = PairOptions()


def find(work_dir: Path, log: Path | None = None) -> Path | None:
    """The configuration that a run in a work dir was started with.

    Args:
        log: A file that the run left; by default it is the newest run.
    """
    found = (one.find_config(work_dir, log) for one in frameworks.installed())
    return next((path for path in found if path is not None), None)


def read(
    path: Path,
    *,
    at: float,
    wall: float,
    folder: Path | None = None,
    pairing: PairOptions = SAMPLED,
) -> FoundConfig:
    """Reads a configuration without executing it.

    Args:
        folder: Where its relative paths begin, as the folder of a process that trains; None where
            that is not known: the present folder, or one above the file.
    """
    framework = frameworks.of_config(path) or frameworks.default()
    spec = framework.read(path)
    roots = (Path(), *path.absolute().parents) if folder is None else (folder,)
    event = of_spec(spec, str(path), "read", at=at, wall=wall, roots=roots, pairing=pairing)
    return FoundConfig(event, spec, roots)


def load(
    python: str,
    path: Path,
    folder: Path,
    limit: float = TIME_LIMIT,
    pairing: PairOptions = SAMPLED,
) -> FoundConfig:
    """Loads a configuration as the training would; why it does not load is part of the event.

    Its parts are built as a trial, without data and without training.

    Without an interpreter that has the framework it is read as text instead.

    Args:
        python: Interpreter of the training.
        folder: First on its import path.
        limit: Seconds; a configuration that imports torch needs most of them.
    """
    roots: tuple[Path, ...] = (Path(),)
    framework = frameworks.of_config(path) or frameworks.default()
    try:
        spec = framework.load(python, path, (), folder, limit, build=True)
    except DualwatchError as error:
        at, wall = clock.now()
        if error.code != "DW602":
            fault = framework.fault(path)
            if fault is None:
                return read(path, at=at, wall=wall, folder=Path(), pairing=pairing)
            why, remedy = fault[0], fault[1]
            why = f"the configuration {path} does not load: {why}"
        else:
            why, remedy = f"{error.what}: {' '.join(error.why.split())}", error.do
        spec = TrainingSpec(
            framework=framework.name,
            error=clean(why, 2000),
            remedy=clean(remedy, 1000),
            timed_out=isinstance(error, ConfigTimeout),
        )
        roots = ()
    at, wall = clock.now()
    event = of_spec(spec, str(path), "loaded", at=at, wall=wall, roots=roots, pairing=pairing)
    return FoundConfig(event, spec, (Path(),))


def written_loader(path: Path) -> str | None:
    """The source text of the training loader, of the nearest base where the file has none."""
    return (frameworks.of_config(path) or frameworks.default()).read(path).written


def of_log(lines: Sequence[str], path: str, *, at: float, wall: float) -> FoundConfig | None:
    """The configuration that a log holds. Its data may lie on another machine."""
    specs = (one.config_in_log(lines) for one in frameworks.installed())
    spec = next((one for one in specs if one is not None), None)
    if spec is None:
        return None
    return FoundConfig(of_spec(spec, path, "read", at=at, wall=wall, platform=""), spec, ())


def of_spec(
    spec: TrainingSpec,
    path: str,
    how: str,
    *,
    at: float,
    wall: float,
    roots: Sequence[Path] = (),
    platform: str = sys.platform,
    pairing: PairOptions = SAMPLED,
) -> ConfigRead:
    """The event of a configuration.

    Args:
        how: "loaded" or "read".
        roots: Where its relative paths may begin; with none, no file is looked at.
        platform: ``sys.platform`` of the training, "" where it is not known.
    """
    framework = frameworks.get(spec.framework)
    paths = framework.data_paths(spec, roots) if roots else PathsSeen()
    pairs = _pairing(spec, roots, pairing)
    return ConfigRead(
        at=at,
        wall=wall,
        path=path,
        how=how,
        loaders={one.name: dict(one.settings) for one in spec.loaders if "." not in one.name},
        start_method=spec.start_method,
        platform=platform,
        paired=pairs.paired,
        missing=paths.missing,
        folders=paths.folders,
        files=paths.files,
        passed_over=paths.passed_over,
        defects=framework.defects(spec, roots),
        whole=framework.is_whole(spec),
        built=spec.trial.built if spec.trial is not None else (),
        not_built=dict(spec.trial.not_built) if spec.trial is not None else {},
        compared=framework.compared(spec),
        error_remedy=spec.remedy,
        unpaired=pairs.unpaired,
        looked_at=pairs.looked_at,
        model_words=spec.model_words,
        classes=spec.classes,
        epochs=spec.goal.epochs,
        iterations=spec.goal.iterations,
        due_at_end=spec.due_at_end,
        validates_every=spec.validates_every,
        validates=spec.validates,
        preprocessor=clean(spec.preprocessor, 200),
        backends=spec.backends,
        load_from=clean(spec.start_from, 1000),
        pretrained={clean(k, 200): clean(v, 1000) for k, v in spec.pretrained.items()},
        resumes=spec.resumes,
        error=spec.error,
        framework=spec.framework,
        timed_out=spec.timed_out,
        not_followed=spec.not_followed,
    )


def _pairing(spec: TrainingSpec, roots: Sequence[Path], how: PairOptions) -> Pairing:
    """What the first domain with something to say finds out about pairs."""
    whole = not any(not one.about for one in spec.not_followed)
    for domain in domains.installed():
        found = domain.pairing(
            spec.wrapped, roots, whole=whole, all_pairs=how.all_pairs, progress=how.progress
        )
        if found != Pairing():
            return found
    return Pairing()


def with_overrides(event: ConfigRead, overrides: PlainDict) -> dict[str, dict[str, PlainValue]]:
    """The loaders of a configuration with the overrides of an attempt, as the agent applies them.

    Only what is addressed by names; positions in lists are not followed.
    """
    changed = {name: dict(as_dict(part)) for name, part in event.loaders.items()}
    for key, value in overrides.items():
        section, _, rest = key.partition(".")
        if section not in changed or not rest or "." in rest:
            continue
        if value is None:
            changed[section].pop(rest, None)
        else:
            changed[section][rest] = value
    return changed


def layouts(spec: TrainingSpec) -> tuple[dict[str, ReadLayout], list[Guess]]:
    """The readers of its data sets' layouts by type, and what recognises other types."""
    readers = dict(frameworks.get(spec.framework).layouts)
    imported = {name.partition(".")[0] for name in spec.imports}
    for domain in domains.installed():
        if domain.layouts_of in imported:
            readers |= domain.layouts
    return readers, [domain.guess_layout for domain in domains.installed()]
