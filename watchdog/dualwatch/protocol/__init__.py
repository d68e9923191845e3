"""What the supervisor and the agent inside the training say to each other.

Standard library only, and nothing newer than Python 3.8: this module is also read by the Python
of the training, which may be older than ours.

All channels are files in the attempt's folder, so that neither side ever waits for the other and
a frozen process can still be read:

* the heartbeat, one small memory-mapped record per rank, written by the agent;
* ``orders.json``, what the agent shall change when the Runner is built, written by the supervisor;
* ``agent-RANK.json``, what the agent did about it;
* ``batch-RANK.json``, what a batch holds and which losses came of it;
* ``model-RANK.json``, the parts of the model and what of them the optimizer holds;
* what the agent observes of the model while it trains: ``protocol.model``;
* ``stacks-inside.txt``, stacks that a process was asked for by a signal;
* ``order-RANK.bin``, one small memory-mapped record: what the supervisor wants done now;
* ``answer-RANK-NUMBER.json``, what came of an order.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypedDict

if TYPE_CHECKING:
    from mmap import mmap

    from dualwatch.protocol import rehearsal

# --- environment -------------------------------------------------------------------------

ENV_ATTEMPT_DIR = "DUALWATCH_ATTEMPT_DIR"
"""Folder of the attempt; its presence is what switches the agent on."""

ENV_MARKER = "DUALWATCH_MARKER"
"""Unique to one attempt and inherited by every descendant: how orphans are recognised."""

ENV_SUPERVISOR = "DUALWATCH_SUPERVISOR_PID"
"""Whom Yama shall allow to read the stacks."""

INTERNAL_ENV = (ENV_ATTEMPT_DIR, ENV_MARKER, ENV_SUPERVISOR)
"""Ours, for the child: never settings of the user."""

OVERRIDES_FILE = "orders.json"

WORKERS_KEY = "dataloaders.num_workers"
"""Override of a script that builds its loaders itself, for all of them; 0 is its only value."""


def heartbeat_file(rank: int) -> str:
    """Name of a rank's heartbeat record in the attempt's folder."""
    return f"heartbeat-{rank}.bin"


def agent_file(rank: int | str) -> str:
    """Name of a rank's report in the attempt's folder; of all of them for "*"."""
    return f"agent-{rank}.json"


def batch_file(rank: int | str) -> str:
    """Name of a rank's newest record of a batch and its losses; of all of them for "*"."""
    return f"batch-{rank}.json"


def model_file(rank: int | str) -> str:
    """Name of a rank's record of its model in the attempt's folder; of all of them for "*"."""
    return f"model-{rank}.json"


METRICS_FILE = "metrics.jsonl"
"""Metrics of a training whose log has no format that the supervisor reads, one line for each."""


STACKS_FILE = "stacks-inside.txt"
"""Where every process of an attempt writes its stacks when it is asked by ``STACKS_SIGNAL``.

One file for all: a forked worker inherits the open descriptor together with the handler, so that
nothing has to run in it and no epoch leaves files behind. The supervisor asks one at a time.
"""

STACKS_SIGNAL = "SIGURG"
"""Asks a process for its stacks. Its name, since its number differs between platforms.

Nobody but servers of out-of-band data uses it, debuggers let it pass, it does not queue up, and
where nobody handles it the kernel drops it: a real-time signal would kill a process that has just
called ``exec``.
"""


# --- documents ---------------------------------------------------------------------------
# The form of each JSON file, for its writer and its reader. Typed dictionaries: the standard
# library's json writes them as they are, msgspec checks them when they are read.


class OverridesDocument(TypedDict):
    """``orders.json``.

    Attributes:
        overrides: Dotted key -> value; None removes the key.
        stretch: See ``events.RerunStep``.
        rescue: Whether a rescue checkpoint is wanted.
        parts: Pattern of words in the names of modules that are recorded at any depth.
        rehearsal: How much is rehearsed; None for the whole training.
    """

    overrides: dict[str, object]
    stretch: int
    rescue: bool
    parts: str
    rehearsal: rehearsal.Order | None


class AgentDocument(TypedDict):
    """``agent-RANK.json``; see ``events.AgentReported``."""

    pid: int
    rank: int
    applied: dict[str, object]
    refused: dict[str, str]
    work_dir: str
    versions: dict[str, str]
    framework: str


class _Batch(TypedDict):
    rank: int
    iteration: int
    outline: list[str]
    losses: list[str]


class UnusualBatchDocument(TypedDict):
    """One iteration of a rank; see ``events.UnusualBatch``."""

    iteration: int
    empty: list[str]
    missing: list[str]


class BatchDocument(_Batch, total=False):
    """``batch-RANK.json``; see ``events.BatchSeen``."""

    logged: list[str]
    unusual: list[UnusualBatchDocument]


class ModelPartDocument(TypedDict):
    """One module of the model; see ``events.ModelPart``."""

    path: str
    kind: str
    parameters: int
    trainable: int
    optimised: int | None


class ModelDocument(TypedDict):
    """``model-RANK.json``; see ``events.ModelSeen``."""

    rank: int
    parts: list[ModelPartDocument]


class CaughtDocument(TypedDict):
    """An exception that the training caught; see ``events.CaughtException``."""

    exception: str
    message: str
    raised: str
    caught: str
    handler: str
    foreign: bool
    path: list[str]


class _Reply(TypedDict):
    rank: int
    number: int
    order: str
    done: bool
    why: str
    path: str
    iteration: int
    awaited: list[str]


class ReplyDocument(_Reply, total=False):
    """``answer-RANK-NUMBER.json``; see ``events.CommandAnswered``."""

    caught: list[CaughtDocument]


# --- phases ------------------------------------------------------------------------------


class Phase:
    """The phase of a training. Plain strings: they go into JSON and onto the terminal."""

    STARTING = "starting"
    BUILDING = "building"
    BUILDING_DATA = "building-data"
    LOADING = "loading-checkpoint"
    WAITING = "waiting-for-batch"
    STEP = "train-step"
    VAL_WAITING = "waiting-for-val-batch"
    VAL_STEP = "val-step"
    METRICS = "computing-metrics"
    SAVING = "saving-checkpoint"
    FINISHED = "finished"

    # By a log alone, which does not show more; no agent reports these.
    TRAINING = "training"
    FIRST_ITERATION = "first-iteration"
    NOT_RUN = "not-run"


PHASES = (
    Phase.STARTING,
    Phase.BUILDING,
    Phase.BUILDING_DATA,
    Phase.LOADING,
    Phase.WAITING,
    Phase.STEP,
    Phase.VAL_WAITING,
    Phase.VAL_STEP,
    Phase.METRICS,
    Phase.SAVING,
    Phase.FINISHED,
)
"""Position is the number on the wire: append only."""

STARTUP_PHASES = frozenset((Phase.STARTING, Phase.BUILDING, Phase.BUILDING_DATA, Phase.LOADING))
VALIDATION_PHASES = frozenset((Phase.VAL_WAITING, Phase.VAL_STEP, Phase.METRICS))


# --- heartbeat record --------------------------------------------------------------------

MAGIC = b"DWPULSE1"
# magic, sequence | pid, rank, phase, beats, epoch, begun, iteration, batch, batches, max_epochs,
# max_iterations, monotonic time of the writer. Little-endian without padding.
_HEAD = struct.Struct("<8sQ")
_BODY = struct.Struct("<qqqqqqqqqqqd")
BODY_OFFSET = _HEAD.size
RECORD_SIZE = _HEAD.size + _BODY.size


class HeartbeatRecord(NamedTuple):
    """What a heartbeat holds; see ``events.Pulse`` for the meaning of each field."""

    pid: int
    rank: int
    phase: str
    beats: int
    epoch: int
    begun: int
    iteration: int
    batch: int
    batches: int
    max_epochs: int
    max_iterations: int
    changed: float


def write_record(buffer: mmap | bytearray, sequence: int, values: Sequence[float]) -> int:
    """Writes a record into a mapped buffer and returns the new sequence number.

    The sequence is odd while the body is being written, so that a reader never believes a half
    record, also when the writer was frozen or killed in the middle.

    Args:
        buffer: A writable buffer of ``RECORD_SIZE`` bytes.
        sequence: What the last call returned, 0 at first.
        values: The fields of ``Record`` in their order, the phase as its number.
    """
    _HEAD.pack_into(buffer, 0, MAGIC, sequence + 1)
    _BODY.pack_into(buffer, BODY_OFFSET, *values)
    _HEAD.pack_into(buffer, 0, MAGIC, sequence + 2)
    return sequence + 2


def read_record(data: bytes) -> HeartbeatRecord | None:
    """Reads a record from a copy of the mapped bytes; None while it is not whole."""
    if len(data) < RECORD_SIZE:
        return None
    magic, sequence = _HEAD.unpack_from(data, 0)
    if magic != MAGIC or sequence == 0 or sequence % 2:
        return None
    values = _BODY.unpack_from(data, BODY_OFFSET)
    if not 0 <= values[2] < len(PHASES):
        return None
    return HeartbeatRecord(values[0], values[1], PHASES[values[2]], *values[3:])


# --- orders of the moment ----------------------------------------------------------------


class AgentCommand:
    """What the agent can be asked for while the training runs."""

    REPLACE = "replace"
    """Go on without loader workers, from the batch that did not come."""

    SAVE = "save"
    """Write a rescue checkpoint as soon as the training stands between two iterations."""

    TELL = "tell"
    """Say which samples the batch that does not come is made of."""

    SAVE_TOGETHER = "save-together"
    """The same of several ranks: each stands still after the iteration that the order names."""

    REPLACE_POOL = "replace-pool"
    """Compute the evaluation that waits for a pool of processes again, without one."""

    END_WORKERS = "end-workers"
    """End the loader workers that the main process waits for after a pass over the data."""

    DROP_LOGS = "drop-logs"
    """Drop the events of a TensorBoard writer whose queue the main thread waits for."""

    TRACE = "trace"
    """Trace the next iteration, and report the exceptions that were caught in it."""

    END = "end"
    """End as after Ctrl-C, without another rescue: where SIGTERM would kill at once."""


COMMANDS = (
    "",
    AgentCommand.REPLACE,
    AgentCommand.SAVE,
    AgentCommand.TELL,
    AgentCommand.SAVE_TOGETHER,
    AgentCommand.TRACE,
    AgentCommand.REPLACE_POOL,
    AgentCommand.END,
    AgentCommand.END_WORKERS,
    AgentCommand.DROP_LOGS,
)
"""Position is the number on the wire: append only."""

COMMAND_SIGNAL = "SIGWINCH"
"""Makes a main process that is stuck in its own dataset look at its order.

Its default is to be ignored, so that it harms nobody who has no handler; a training in a session
of its own has no window whose size could change.
"""

UNPROMPTED = 0
"""Number of an answer that nobody asked for: a rescue before the training died of an error."""

RESCUE_NAME = "rescue_iter_{}.pth"
"""A rescue checkpoint in the Runner's work dir; the number counts iterations."""

RESCUE_FOLDER = "rescue_iter_{}"
"""The same where a library loads a folder by itself; ``PLACE_FILE`` in it says how far it was."""

PLACE_FILE = "dualwatch.pt"

# number, order, beats, number again: a reader never believes half a record.
_ORDER = struct.Struct("<qqqq")
COMMAND_SIZE = _ORDER.size


class CommandRecord(NamedTuple):
    """An order.

    Attributes:
        number: Counts them; a new one is a new order.
        beats: The heartbeat that it rests on: where the training got on since, it is void. Of
            "save-together" the iterations after which all ranks shall stand.
    """

    number: int
    order: str
    beats: int


def command_file(rank: int) -> str:
    """Name of a rank's order record; the agent makes it, the supervisor writes it."""
    return f"order-{rank}.bin"


def reply_file(rank: int | str, number: int | str) -> str:
    """Name of an answer; of all of them for "*"."""
    return f"answer-{rank}-{number}.json"


def part_file(rank: int, iteration: int) -> str:
    """Name of what a rank adds to a rescue checkpoint of all, in the attempt's folder."""
    return f"part-{rank}-{iteration}.pth"


def pack_command(record: CommandRecord) -> bytes:
    """The bytes of an order."""
    return _ORDER.pack(record.number, COMMANDS.index(record.order), record.beats, record.number)


def read_command(buffer: mmap | bytes) -> CommandRecord | None:
    """The order in a mapped buffer; None while it is not whole."""
    number, order, beats, again = _ORDER.unpack_from(buffer, 0)
    if number != again or not 0 <= order < len(COMMANDS):
        return None
    return CommandRecord(number, COMMANDS[order], beats)


def rank_from_environment(environ: dict[str, str]) -> int:
    """Rank of this process as torchrun, Slurm or MPI set it; 0 alone."""
    for key in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"):
        value = environ.get(key, "")
        if value.isdigit():
            return int(value)
    return 0
