"""What the agent reports from inside the training."""

from __future__ import annotations

from msgspec import Struct

from dualwatch.events.base import Event


class AgentReported(Event, frozen=True, kw_only=True, tag="agent-reported"):
    """The agent follows a training, and what it did to it.

    Attributes:
        applied: Overrides that are in force.
        refused: Override -> why it could not be applied.
        work_dir: The Runner's own work dir.
        framework: Name of the adapter that follows it; "" in older journals.
    """

    pid: int
    rank: int
    applied: dict[str, object]
    refused: dict[str, str]
    work_dir: str
    versions: dict[str, str] = {}
    framework: str = ""


class HeartbeatRead(Event, frozen=True, kw_only=True, tag="pulse"):
    """One reading of a rank's heartbeat record.

    Attributes:
        phase: One of ``protocol.Phase``.
        beats: Counts every change of phase; two equal readings mean nothing moved.
        epoch: Epochs completed.
        begun: Iterations that were done when this process began to train; -1 before.
        iteration: Iterations completed since the very first.
        batch: Index of the batch in the present loop, completed ones.
        batches: Batches of the present loop, 0 where unknown.
        max_epochs: 0 where the loop counts iterations.
        max_iterations: 0 where unknown.
    """

    rank: int
    pid: int
    phase: str
    beats: int
    epoch: int
    begun: int
    iteration: int
    batch: int
    batches: int
    max_epochs: int
    max_iterations: int


class UnusualBatch(Struct, frozen=True, kw_only=True):
    """An iteration of one of several ranks that was not like its others.

    Attributes:
        iteration: Iterations completed, this one included.
        empty: Parts of the batch without any element: "targets[0].boxes".
        missing: Losses that were returned before, and not for it.
    """

    iteration: int
    empty: tuple[str, ...]
    missing: tuple[str, ...]


class BatchSeen(Event, frozen=True, kw_only=True, tag="batch-seen"):
    """What a training iteration was given and what the model made of it, as the agent saw it.

    Written at the first iteration and whenever one of the two changes its form.

    Attributes:
        iteration: Iterations completed, this one included.
        outline: The parts of the batch, "inputs.visible: Tensor 2x3x512x640", bounded.
        losses: Names that the model returned, in their order.
        logged: Names of all that had been logged by then, by whatever code; None where that is
            not known.
        unusual: The newest unusual iterations of this rank, oldest first; of several ranks.
    """

    rank: int
    iteration: int
    outline: tuple[str, ...]
    losses: tuple[str, ...]
    logged: tuple[str, ...] | None = None
    unusual: tuple[UnusualBatch, ...] = ()


class CaughtException(Struct, frozen=True, kw_only=True):
    """An exception of one traced iteration that the training caught.

    Attributes:
        raised: ``file:line in function`` where it was raised.
        caught: Where it was last seen: the line that caught it.
        handler: Source of that line; "" where no Python code caught it, as behind ``hasattr``.
        foreign: Whether an installed package caught it.
        path: Functions from where it was raised outwards, as "Head.loss (head.py)".
    """

    exception: str
    message: str
    raised: str
    caught: str
    handler: str = ""
    foreign: bool = False
    path: tuple[str, ...] = ()


class CommandAnswered(Event, frozen=True, kw_only=True, tag="order-answered"):
    """The agent did what it was asked for, or says why not. See ``protocol.Order``.

    Attributes:
        number: Of the order; 0 where the agent did it of itself, before the training died.
        order: "replace", "save", "save-together", "tell" or "trace".
        path: The checkpoint that was saved, "" for none.
        iteration: Iterations completed when it was done.
        awaited: The sample that the loader waits for, as "index 17: images/0017.png", those of
            the batch that did not come; bounded.
        caught: Exceptions of the traced iteration.
    """

    rank: int
    number: int
    order: str
    done: bool
    why: str = ""
    path: str = ""
    iteration: int = 0
    awaited: tuple[str, ...] = ()
    caught: tuple[CaughtException, ...] = ()


class NonFiniteTerm(Struct, frozen=True, kw_only=True):
    """A value that the training returned beside its losses, or one of them.

    Attributes:
        value: "nan", "inf" or "-inf", as it was in the first of these iterations.
        first, newest: The first and the newest iteration in which it was not finite.
        times: Iterations in which it was not finite.
    """

    name: str
    value: str
    first: int
    newest: int
    times: int


class NonFiniteSeen(Event, frozen=True, kw_only=True, tag="non-finite-seen"):
    """Values of iterations that were not finite, each iteration looked at.

    Attributes:
        iteration: The newest one that was looked at.
        running: Iterations up to this one in which some value was not finite; 0 where all of the
            newest are finite again.
        terms: Those that came first are first; in the order of the model within an iteration.
        weights_at: The iteration after which the weights were looked at; 0 where they were not.
        weights: Upper modules with weights that are not finite, bounded; empty where all are
            finite, None where that is not known.
        files: Of the samples of the very first of these iterations, bounded.
        unsound: Parts of its batch that held such a value themselves.
    """

    rank: int
    iteration: int
    running: int
    terms: tuple[NonFiniteTerm, ...]
    weights_at: int = 0
    weights: tuple[str, ...] | None = None
    files: tuple[str, ...] = ()
    unsound: tuple[str, ...] = ()
