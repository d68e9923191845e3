"""DW1xx: it does not move, and where it stands."""

from __future__ import annotations

from dualwatch.facts import Severity
from dualwatch.judge.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW101",
        name="stalled-startup",
        severity=Severity.ERROR,
        means="No training iteration came within the stall timeout after the start, and the "
        "process tree did nothing: no CPU, no I/O.",
        matters="A training that hangs while it builds its datasets or starts its workers will "
        "not begin by itself; the night is lost.",
        cure="dualwatch reruns it without loader workers and with half the batch. If that stalls "
        "as well, look at the captured stacks: they show where the main process stands.",
    ),
    Code(
        code="DW102",
        name="stalled-training",
        severity=Severity.ERROR,
        means="Training iterations came, then none within the stall timeout, while the process "
        "tree was idle or stood in the same stack all the time.",
        matters="The usual cause is a DataLoader whose workers wait for each other. It never "
        "ends, and it prints nothing.",
        cure="dualwatch captures the stacks, ends the tree and reruns from the newest good "
        "checkpoint with num_workers=0 and half the batch, accumulating gradients so that the "
        "effective batch stays the same.",
    ),
    Code(
        code="DW103",
        name="stalled-validation",
        severity=Severity.ERROR,
        means="The same as DW102 in a validation or test loop.",
        matters="The validation loader has workers of its own, which can block as well.",
        cure="dualwatch reruns with num_workers=0 in every loader.",
    ),
    Code(
        code="DW104",
        name="slow-not-stalled",
        severity=Severity.INFO,
        means="Nothing moved for the stall timeout, yet the processes are working: CPU or I/O "
        "goes on.",
        matters="A COCO evaluation may be silent for hours and healthy. Killing it would lose "
        "work, so nothing is done.",
        cure="Nothing, if you expect this. Otherwise raise --stall-timeout, or look at what is "
        "slow; --busy-timeout says when busy silence in start-up, metrics or saving counts as a "
        "stall.",
    ),
    Code(
        code="DW105",
        name="stalled-saving",
        severity=Severity.ERROR,
        means="A checkpoint is being written and does not end.",
        matters="The disk or the network folder under the work dir does not answer.",
        cure="Look at the storage of the work dir (df, mount, dmesg). The last whole checkpoint "
        "is still there.",
    ),
    Code(
        code="DW111",
        name="loader-deadlock",
        severity=Severity.ERROR,
        means="The main process waits for a batch while its loader workers wait for a lock: no "
        "CPU, no I/O, a worker's stack stands in the dataset at a lock.",
        matters="The workers wait for each other, or for a lock that was held while they were "
        "forked. No time-out ends it.",
        cure="num_workers=0 (dualwatch does it). For a cure at the root: take locks in one order, "
        "open files in the worker rather than before the fork, no threads before the fork.",
        explains=("DW101", "DW102", "DW103"),
    ),
    Code(
        code="DW112",
        name="worker-stuck-in-dataset",
        severity=Severity.ERROR,
        means="The main process waits for a batch, and a loader worker stands at one place of the "
        "dataset or a transform: it loops, sleeps or reads without an end.",
        matters="Without workers the main process would be stuck at the same place.",
        cure="Look at the function that the evidence names, and at the sample that it works on.",
        explains=("DW101", "DW102", "DW103", "DW104"),
    ),
    Code(
        code="DW113",
        name="dataset-init-stuck",
        severity=Severity.ERROR,
        means="The dataset is being built and does not end. No loader worker exists yet.",
        matters="A log that ends with the hook list looks like a deadlock of workers and is none.",
        cure="Look at where it reads from: a network folder, a huge annotation file, a lock.",
        explains=("DW101", "DW104"),
    ),
    Code(
        code="DW114",
        name="main-stuck-in-step",
        severity=Severity.ERROR,
        means="The main process loops or blocks in its own code: forward, backward, the "
        "optimizer, or the sampler.",
        matters="The loader is not the cause, so a rerun without workers may stall again.",
        cure="Look at the function that the evidence names.",
        explains=("DW101", "DW102", "DW103", "DW104"),
    ),
    Code(
        code="DW115",
        name="process-stopped",
        severity=Severity.WARNING,
        means="A process of the training is stopped (state T): Ctrl-Z, SIGSTOP, or a debugger.",
        matters="It does nothing until it is continued, but it is intact.",
        cure="Continue it: kill -CONT PID. dualwatch does not restart a stopped training.",
        explains=("DW101", "DW102", "DW103", "DW105"),
    ),
    Code(
        code="DW116",
        name="storage-stuck",
        severity=Severity.ERROR,
        means="A process of the training waits in uninterruptible I/O (state D) and does not "
        "come back: a disk or a network folder does not answer.",
        matters="Such a process cannot be killed, so a rerun would only add another one that "
        "waits.",
        cure="Look at the storage that the evidence names (mount, df, dmesg); when it "
        "answers again, the training goes on.",
        explains=("DW101", "DW102", "DW103", "DW105", "DW104", "DW112", "DW113", "DW114"),
    ),
    Code(
        code="DW117",
        name="slow-worker-start",
        severity=Severity.INFO,
        means="Loader workers are still being started: the dataset is pickled into each of "
        "them, and each imports its modules.",
        matters="It looks like a hang and is none: the first batch comes when the last worker "
        "is up.",
        cure="Nothing, if it ends. Otherwise fewer workers, or a dataset that holds arrays "
        "instead of many small objects.",
        explains=("DW101", "DW104"),
    ),
    Code(
        code="DW118",
        name="collective-stuck",
        severity=Severity.CRITICAL,
        means="The ranks of a distributed training waited for each other in a collective until it "
        "timed out.",
        matters="One rank is elsewhere: it has fewer batches, died, or took another branch.",
        cure="Give every rank equally many batches, and look at the first rank that failed.",
        explains=("DW101", "DW102", "DW103", "DW114"),
    ),
)
