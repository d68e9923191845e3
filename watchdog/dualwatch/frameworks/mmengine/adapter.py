"""mmengine, mmcv and mmdet as ``frameworks.base`` asks for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from dualwatch.agent.mmengine import TRAIN_SCRIPT
from dualwatch.core.plain import PlainDict, as_dict
from dualwatch.datasets.layouts import coco, voc
from dualwatch.events import Change, CheckpointSeen, ConfigRead, Defect, Event, PathsSeen
from dualwatch.frameworks.base import (
    TIME_LIMIT,
    Checkpoint,
    Framework,
    LaunchOptions,
    Overrides,
    Sections,
    TrainingSpec,
)
from dualwatch.frameworks.mmengine import checkpoints, knowledge, start_checkpoint
from dualwatch.frameworks.mmengine.config import (
    classes,
    defects,
    dump,
    edits,
    faults,
    fields,
    find,
    load,
    overridden,
    paths,
    static,
)
from dualwatch.frameworks.mmengine.config.inherit import FORMS, read_file
from dualwatch.frameworks.mmengine.config.spec import read_spec, spec_of
from dualwatch.frameworks.mmengine.config.trial import of_parts
from dualwatch.frameworks.mmengine.launch import command
from dualwatch.frameworks.mmengine.logs import scalars
from dualwatch.frameworks.mmengine.logs.lines import MMEngineLines


class MMEngine(Framework):
    """The adapter."""

    name = "mmengine"
    config_suffixes = tuple(FORMS)
    scripts = ("tools/train.py",)
    entry = Path(TRAIN_SCRIPT)

    layouts = {"CocoDataset": coco, "VOCDataset": voc, "XMLDataset": voc}
    phases = knowledge.PHASES
    libraries = knowledge.LIBRARIES
    collective_files = ("mmengine/dist/",)
    error_places = knowledge.ERROR_PLACES
    loop_places = knowledge.LOOP_PLACES
    error_patterns = knowledge.ERROR_PATTERNS
    advice = knowledge.ADVICE
    older_advice = knowledge.OLDER_ADVICE

    def load(
        self,
        python: str,
        config: Path,
        options: Sequence[str] = (),
        folder: Path = Path(),
        limit: float = TIME_LIMIT,
        build: bool = False,
    ) -> TrainingSpec:
        found = load.describe(python, config, options, folder, limit=limit, build=build)
        parts, whole = found.pop("parts", None), as_dict(found.pop("whole", None))
        named = found.pop("named", None)
        spec = replace(self.spec(found), lacks=defects.of_names(named, found))
        spec = replace(spec, everything=whole, pretrained=dict(fields.pretrained(whole)))
        if parts is None:
            return spec
        trial = of_parts(as_dict(parts), whole)
        return replace(spec, trial=trial, in_text=overridden.defects(config, whole))

    def read(self, config: Path) -> TrainingSpec:
        spec = read_spec(read_file(config))
        return replace(spec, in_text=overridden.defects(config, spec.everything))

    def data_paths(self, spec: TrainingSpec, roots: Sequence[Path]) -> PathsSeen:
        return paths.look(spec.everything or spec.sections, roots)

    def named_paths(self, spec: TrainingSpec) -> tuple[str, ...]:
        return paths.named(spec.everything or spec.sections)

    def defects(self, spec: TrainingSpec, roots: Sequence[Path]) -> tuple[Defect, ...]:
        return defects.find(spec, roots)

    def compared(self, spec: TrainingSpec) -> tuple[str, ...]:
        of_type = spec.trial.classes if spec.trial is not None else {}
        return classes.compared(spec.everything, of_type) if defects.is_whole(spec) else ()

    def is_whole(self, spec: TrainingSpec) -> bool:
        return defects.is_whole(spec)

    def fault(self, config: Path) -> tuple[str, str] | None:
        found = faults.find(config)
        return (found.text, found.do) if found is not None and found.is_certain else None

    def spec(self, sections: Sections) -> TrainingSpec:
        return spec_of(sections)

    def find_config(self, work_dir: Path, log: Path | None = None) -> Path | None:
        return find.find(work_dir, log)

    def config_in_log(self, lines: Sequence[str]) -> TrainingSpec | None:
        text = dump.config_text(list(lines))
        return read_spec(static.read(text)) if text else None

    def command(self, options: LaunchOptions, script: Path, python: str) -> tuple[str, ...]:
        return command(options, script, python)

    def changes(
        self, spec: TrainingSpec, overrides: Overrides, *, keep_effective: bool
    ) -> tuple[Change, ...]:
        sections = spec.sections
        changes: list[Change] = []
        if overrides.workers is not None:
            changes += edits.at_most_workers(sections, overrides.workers)
        if overrides.batch is not None:
            changes += edits.smaller_batch(sections, overrides.batch, keep_effective=keep_effective)
        if overrides.validation_batch is not None:
            changes += edits.smaller_validation_batch(sections, overrides.validation_batch)
        return tuple(changes)

    def in_force(self, spec: TrainingSpec, changed: PlainDict) -> Overrides:
        return edits.in_force(spec.sections, changed)

    def newest_checkpoint(
        self, work_dir: Path, *, since: float, without: Collection[Path] = ()
    ) -> tuple[Checkpoint | None, list[str]]:
        return checkpoints.newest_good(work_dir, since=since, without=without)

    def last_checkpoint(self, work_dir: Path) -> Path | None:
        return checkpoints.last_named(work_dir)

    def start_checkpoint(
        self,
        config: ConfigRead,
        work_dir: Path | None,
        *,
        at: float,
        wall: float,
        roots: Sequence[Path] = (Path(),),
    ) -> CheckpointSeen | None:
        return start_checkpoint.look(config, work_dir, at=at, wall=wall, roots=roots)

    def scalars(self, path: Path, newest: int) -> list[Event]:
        return scalars.read(path, path.stat().st_mtime, newest)

    def line_format(self) -> MMEngineLines:
        return MMEngineLines()

    def is_older(self, config: ConfigRead) -> bool:
        """Whether it has mmcv 1.x's form: one section ``data`` for all loaders."""
        return "data" in config.loaders and "train_dataloader" not in config.loaders
