"""What is the same for all trainings whose script builds its loaders itself."""

from __future__ import annotations

from dualwatch.core.plain import PlainDict
from dualwatch.events import Change
from dualwatch.frameworks.base import Framework, Overrides, TrainingSpec
from dualwatch.protocol import WORKERS_KEY


class ScriptFramework(Framework):
    """A framework without a configuration: the agent in the training changes its loaders."""

    def changes(
        self, spec: TrainingSpec, overrides: Overrides, *, keep_effective: bool
    ) -> tuple[Change, ...]:
        """No workers is all that the agent can change of loaders that a script builds."""
        if overrides.workers != 0:
            return ()
        why = "the main process loads the samples"
        return (Change(key=WORKERS_KEY, before=None, after=0, why=why),)

    def in_force(self, spec: TrainingSpec, changed: PlainDict) -> Overrides:
        return Overrides(workers=0 if changed.get(WORKERS_KEY) == 0 else None)
