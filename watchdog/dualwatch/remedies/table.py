"""Which remedy answers which cause: a literal table. Pure.

A step returns the overrides to put in force, given those that are; None where it can do nothing.
Steps with a goal (no workers, half the configured batch) change nothing once it is reached, so that
the steps of a cause can be tried in order each time it comes, whatever happened in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dualwatch.datasets.spec import Role
from dualwatch.events import Finding, Proof
from dualwatch.frameworks.base import Overrides, TrainingSpec
from dualwatch.protocol import VALIDATION_PHASES
from dualwatch.remedies.overrides import step_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyCase:
    """What a step has to know of a run.

    Attributes:
        spec: The user's own configuration.
        floor: The smallest batch that the loss can learn from.
        phase: Where the training stood or died.
    """

    spec: TrainingSpec
    floor: int = 1
    phase: str = ""

    @property
    def validates(self) -> bool:
        """Whether it happened in a validation."""
        return self.phase in VALIDATION_PHASES


Step = Callable[[Overrides, RemedyCase], "Overrides | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What can be tried against a cause, mildest first.

    Attributes:
        family: Name of the escalation, for people.
        budget: Reruns at most for this cause, None: as many as there are steps.
        in_place: A loader without workers inside the running training comes before any rerun.
    """

    family: str
    steps: tuple[Step, ...]
    budget: int | None = None
    in_place: bool = False


# --- steps ---------------------------------------------------------------------------------------


def half_the_workers(overrides: Overrides, case: RemedyCase) -> Overrides:
    """Half as many workers as are configured where it happened."""
    role: Role = "val" if case.validates else "train"
    count = case.spec.workers(role) or case.spec.workers()
    return replace(overrides, workers=_lower(overrides.workers, count // 2))


def no_workers(overrides: Overrides, case: RemedyCase) -> Overrides:
    """No workers in any loader."""
    return replace(overrides, workers=0)


def half_the_batch(overrides: Overrides, case: RemedyCase) -> Overrides | None:
    """Half of the batch that is in force; in a validation, of the validation's batch."""
    if case.validates:
        size = _lower(overrides.validation_batch, case.spec.batch("val"))
        return replace(overrides, validation_batch=size // 2) if size and size > 1 else None
    size = _lower(overrides.batch, case.spec.batch())
    if size is None or (smaller := _half(size, case.floor)) is None:
        return None
    return replace(overrides, batch=smaller)


def no_workers_and_half(overrides: Overrides, case: RemedyCase) -> Overrides:
    """The remedy that is known to work against a loader that hangs."""
    size = case.spec.batch()
    goal = None if size is None else _half(size, case.floor)
    return replace(overrides, workers=0, batch=_lower(overrides.batch, goal))


def no_workers_and_least(overrides: Overrides, case: RemedyCase) -> Overrides:
    """No workers, and the smallest batch that the training can be done with."""
    size = case.spec.batch()
    goal = None if size is None else least(size, case.floor)
    return replace(overrides, workers=0, batch=_lower(overrides.batch, goal))


def no_workers_if_any(overrides: Overrides, case: RemedyCase) -> Overrides | None:
    """As ``no_workers_and_half``, where there are workers that can be taken away."""
    if overrides.workers == 0 or not case.spec.workers():
        return None
    return no_workers_and_half(overrides, case)


def no_pools(overrides: Overrides, case: RemedyCase) -> Overrides:
    """Evaluations in the training's own process."""
    return replace(overrides, no_pools=True)


def own_builds(overrides: Overrides, case: RemedyCase) -> Overrides:
    """A folder of the run for extensions that are built at run time."""
    return replace(overrides, own_builds=True)


def network_limit(overrides: Overrides, case: RemedyCase) -> Overrides:
    """A new connection, and an error where that one brings nothing either."""
    return replace(overrides, network_limit=True)


def offline_logs(overrides: Overrides, case: RemedyCase) -> Overrides:
    """Fresh loggers, and none that needs a service."""
    return replace(overrides, offline_logs=True)


def utf8(overrides: Overrides, case: RemedyCase) -> Overrides:
    """UTF-8, whatever the console is said to be."""
    return replace(overrides, utf8=True)


def checkpoint_before(overrides: Overrides, case: RemedyCase) -> Overrides:
    """The checkpoint before the one that does not load."""
    return replace(overrides, older_checkpoint=True)


def half(size: int) -> int:
    """The largest divisor of a batch that is at most its half, so that accumulation is exact."""
    return max((d for d in range(1, size // 2 + 1) if size % d == 0), default=1)


def least(size: int, floor: int) -> int:
    """The smallest divisor of a batch that is not below the floor; the batch where there is none.

    A loss that needs several samples at once learns nothing from a batch below its floor.
    """
    return min((d for d in range(max(floor, 1), size + 1) if size % d == 0), default=size)


def _half(size: int, floor: int) -> int | None:
    """Half a batch; None where that is below the floor."""
    smaller = half(size)
    return smaller if floor <= smaller < size else None


def _lower(one: int | None, other: int | None) -> int | None:
    return min((n for n in (one, other) if n is not None), default=None)


# --- the table -----------------------------------------------------------------------------------

STALL = Remedy(family="stall", steps=(no_workers_and_half, no_workers_and_least), in_place=True)
# Unlikely to help, yet a place that was seen is no proof of what holds it there: one try.
STUCK = Remedy(family="stuck", steps=(no_workers_and_half,), budget=1)
STUCK_IN_DATASET = Remedy(family="stuck", steps=(no_workers_if_any,), budget=1)
COLLECTIVE = Remedy(family="stuck", steps=(no_workers_and_half,), budget=1, in_place=True)
# In place first, by decide_stall; a rerun has no pools from its beginning.
POOL = Remedy(family="evaluation-pool", steps=(no_pools,), budget=1)
BUILD_LOCK = Remedy(family="build-lock", steps=(own_builds,), budget=1)
DOWNLOAD = Remedy(family="download", steps=(network_limit,), budget=1)
# In place first, by decide_stall.
WORKER_JOIN = Remedy(family="worker-join", steps=(no_workers,), budget=1)
# In place first where it is TensorBoard's, by decide_stall.
LOGGER = Remedy(family="logger", steps=(offline_logs,), budget=1)
KILLED = Remedy(family="worker-killed", steps=(half_the_workers, no_workers))
FAILED = Remedy(family="worker-failed", steps=(no_workers,), budget=1)
# The same step again and again: it halves what is in force.
MEMORY = Remedy(family="out-of-memory", steps=(half_the_batch,))
ENCODING = Remedy(family="console-encoding", steps=(utf8,), budget=1)
CHECKPOINT = Remedy(family="resume-blocked", steps=(checkpoint_before,), budget=2)

ESCALATIONS = (STALL, KILLED, FAILED, MEMORY, ENCODING, CHECKPOINT)
"""What ``--dry-run`` shows; the others are parts of the first."""

STALLED: dict[str, Remedy] = {
    "DW101": STALL,
    "DW102": STALL,
    "DW103": STALL,
    "DW105": STALL,
    "DW111": STALL,
    "DW112": STUCK_IN_DATASET,
    "DW114": STUCK,
    "DW117": STALL,
    "DW118": COLLECTIVE,
    "DW119": POOL,
    "DW121": BUILD_LOCK,
    "DW122": DOWNLOAD,
    "DW123": WORKER_JOIN,
    "DW124": STALL,
    "DW125": LOGGER,
}
"""Causes of a stall. One that is not proven is answered as a plain stall."""

DIED: dict[str, Remedy] = {
    "DW301": KILLED,
    "DW302": KILLED,
    "DW303": FAILED,
    "DW304": FAILED,
    "DW305": FAILED,
    "DW401": MEMORY,
    "DW501": MEMORY,
    "DW503": ENCODING,
    "DW605": CHECKPOINT,
}
"""Causes of a death. The others would come again: data, code, a full disk, a configuration."""

HOPELESS: dict[str, str] = {
    "DW113": "no worker has a part in building a dataset, so a rerun would hang there again",
    "DW116": "a process that waits for storage cannot be ended, and a rerun would wait beside it",
    "DW403": "nothing can be trained on this GPU before it is back",
}
"""Causes that no rerun can help, whether it stalled or died of them, and why."""

NO_POOL = "the evaluation is computed again in the running training, without a pool of processes"

END_WORKERS = "the workers that do not end are ended, and the running training continues"

DROP_LOGS = "further events of that writer are dropped, and the running training continues"

IN_PLACE = "the loader is replaced in the running training, without workers"

SAME_THEN_ONE: tuple[int | None, ...] = (None, 1)
ONE: tuple[int | None, ...] = (1, 1)

LOOPS = "the main process would loop in the dataset as its workers do, so a rerun cannot help"


def fresh_workers(cause: Finding) -> tuple[int | None, ...]:
    """Workers of each trial after a loader was replaced; None for as many as before.

    They are always spawned, so that none inherits a lock or half a thread pool; a single one
    has nobody to wait for in a cycle. After the last trial it stays without.
    """
    return ONE if cause.proof is Proof.CYCLE else SAME_THEN_ONE


def next_overrides(
    remedy: Remedy, overrides: Overrides, case: RemedyCase, *, used: int, keep_effective: bool
) -> Overrides | None:
    """The mildest overrides left to try against a cause; None where all were tried.

    Args:
        used: Reruns that this cause has had.
    """
    if remedy.budget is not None and used >= remedy.budget:
        return None
    # The checkpoint to resume from is a matter of one start.
    now = replace(overrides, older_checkpoint=False)
    present = step_of(case.spec, now, keep_effective)
    for step in remedy.steps:
        stronger = step(now, case)
        if stronger is not None and step_of(case.spec, stronger, keep_effective) != present:
            return stronger
    return None
