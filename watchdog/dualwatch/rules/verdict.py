"""How a run ended: outcome, exit code, and the reason in one sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dualwatch.core.errors import Exit
from dualwatch.events import Finding, Severity
from dualwatch.protocol import Phase
from dualwatch.rules.finished import is_finished
from dualwatch.rules.metrics.metrics import missing_at_end
from dualwatch.rules.ranking import impairs, rank
from dualwatch.state.snapshot import Snapshot


class Verdict(NamedTuple):
    """The outcome of a run; ``outcome`` is a word of the contract."""

    outcome: str
    code: Exit
    reason: str


def of_ended(s: Snapshot, findings: Sequence[Finding], required: tuple[str, ...]) -> Verdict:
    """The verdict on a training that ended: completed, with findings, or failed.

    Args:
        s: The last attempt.
        findings: Of the last attempt. A stall of an earlier one was recovered.
    """
    finished = has_finished(s)
    # The likeliest cause; no training ends because of a note or of TensorBoard.
    ranked = [f for f in rank(findings) if f.severity >= Severity.WARNING and f.code[:3] != "DW8"]
    if s.ended is not None and s.ended.exit_code is None and not finished and not ranked:
        reason = "by its log the training ended early; its exit code is not known"
        return Verdict("failed", Exit.NOT_OBSERVED, reason)
    if s.ended is None or (s.ended.exit_code != 0 and not finished):
        reason = ranked[0].headline if ranked else "the training failed"
        return Verdict("failed", Exit.TRAINING_FAILED, reason)
    if s.pulses and not finished:
        reason = f"the training ended early in phase {s.phase}, without an error"
        return Verdict("failed", Exit.TRAINING_FAILED, reason)
    missing = missing_at_end(s, required)
    if missing:
        reason = f"trained to the end, without {', '.join(missing)}"
        return Verdict("completed-with-findings", Exit.WRONG, reason)
    wrong = [f for f in findings if impairs(f) and not f.code.startswith("DW1")]
    if wrong:
        codes = ", ".join(dict.fromkeys(f"{f.code} {f.name}" for f in wrong))
        return Verdict("completed-with-findings", Exit.WRONG, f"trained to the end, with {codes}")
    return Verdict("completed", Exit.OK, "trained to the end")


def has_finished(s: Snapshot) -> bool:
    """Whether an attempt did everything that its configuration asks for."""
    return s.phase == Phase.FINISHED or (not s.pulses and is_finished(s))


def lost_iterations(s: Snapshot, *, saved: int | None, by_epoch: bool) -> int:
    """Iterations of an attempt that no checkpoint holds.

    Args:
        saved: Number in the name of the newest checkpoint of this run, None where there is none.
        by_epoch: Whether that number counts epochs.
    """
    if s.last_iteration is None or has_finished(s):
        return 0
    begun = (s.first_iteration or 1) - 1
    pulse = s.slowest
    if saved is not None and by_epoch:
        whole = pulse is not None and pulse.max_epochs > 0
        saved = saved * (pulse.max_iterations // pulse.max_epochs) if pulse and whole else None
    # An attempt cannot lose iterations of an earlier one.
    return max(0, s.last_iteration - max(begun, saved or 0))
