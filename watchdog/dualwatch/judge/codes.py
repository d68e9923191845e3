"""The registry of finding codes: what each means, why it matters, how to cure it.

A literal tuple, so that `dualwatch explain`, the pages under ``docs/`` and the tests read the same
words. A code, once published, keeps its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.facts import Evidence, Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One finding code and its documentation, each text in plain sentences."""

    code: str
    name: str
    severity: Severity
    means: str
    matters: str
    cure: str


CODES: tuple[Code, ...] = (
    Code(
        code="DW001",
        name="rule-failed",
        severity=Severity.WARNING,
        means="A rule of dualwatch raised an error, so what it looks for was not judged.",
        matters="Not judged is not well: another finding may be missing.",
        cure="Please report it with the journal.jsonl of the run.",
    ),
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
    ),
    Code(
        code="DW112",
        name="worker-stuck-in-dataset",
        severity=Severity.ERROR,
        means="The main process waits for a batch, and a loader worker stands at one place of the "
        "dataset or a transform: it loops, sleeps or reads without an end.",
        matters="Without workers the main process would be stuck at the same place.",
        cure="Look at the function that the evidence names, and at the sample that it works on.",
    ),
    Code(
        code="DW113",
        name="dataset-init-stuck",
        severity=Severity.ERROR,
        means="The dataset is being built and does not end. No loader worker exists yet.",
        matters="A log that ends with the hook list looks like a deadlock of workers and is none.",
        cure="Look at where it reads from: a network folder, a huge annotation file, a lock.",
    ),
    Code(
        code="DW114",
        name="main-stuck-in-step",
        severity=Severity.ERROR,
        means="The main process loops or blocks in its own code: forward, backward, the "
        "optimizer, or the sampler.",
        matters="The loader is not the cause, so a rerun without workers may stall again.",
        cure="Look at the function that the evidence names.",
    ),
    Code(
        code="DW115",
        name="process-stopped",
        severity=Severity.WARNING,
        means="A process of the training is stopped (state T): Ctrl-Z, SIGSTOP, or a debugger.",
        matters="It does nothing until it is continued, but it is intact.",
        cure="Continue it: kill -CONT PID. dualwatch does not restart a stopped training.",
    ),
    Code(
        code="DW118",
        name="collective-stuck",
        severity=Severity.CRITICAL,
        means="The ranks of a distributed training waited for each other in a collective until it "
        "timed out.",
        matters="One rank is elsewhere: it has fewer batches, died, or took another branch.",
        cure="Give every rank equally many batches, and look at the first rank that failed.",
    ),
    Code(
        code="DW201",
        name="required-metric-missing",
        severity=Severity.ERROR,
        means="A required metric is absent from the training lines.",
        matters="The part of the loss that it stands for is not being trained: with loss_macl, "
        "the pairing of visible and infrared images does not work.",
        cure="Check return_modality_pair=True in the training dataset, the paired data "
        "preprocessor, and the console for errors that were caught and printed.",
    ),
    Code(
        code="DW202",
        name="required-metric-vanished",
        severity=Severity.ERROR,
        means="A required metric was in the training lines and then no more.",
        matters="From that line on its loss is no longer trained.",
        cure="Look at the console around the first line without it for an error that was caught.",
    ),
    Code(
        code="DW203",
        name="non-finite-loss",
        severity=Severity.ERROR,
        means="A loss or the gradient norm is NaN or infinite.",
        matters="The weights are spoilt from there on, and checkpoints go on being saved.",
        cure="Lower the learning rate, clip gradients, look at the batch; go back to a "
        "checkpoint from before.",
    ),
    Code(
        code="DW301",
        name="worker-killed",
        severity=Severity.CRITICAL,
        means="A loader worker was ended by a signal; mostly the kernel's out-of-memory killer.",
        matters="The next epoch would end the same way: every worker needs its own memory.",
        cure="Fewer workers (num_workers), smaller images or batches; dmesg says whether the "
        "kernel did it.",
    ),
    Code(
        code="DW302",
        name="shared-memory-exhausted",
        severity=Severity.CRITICAL,
        means="Loader workers could not get shared memory: /dev/shm is full or too small.",
        matters="Batches go through shared memory, several for each worker.",
        cure="Enlarge it (docker run --shm-size=8g), use fewer workers, or num_workers=0.",
    ),
    Code(
        code="DW303",
        name="too-many-open-files",
        severity=Severity.CRITICAL,
        means="The process ran out of file descriptors.",
        matters="Each batch in flight holds some, and each worker more.",
        cure="Raise the limit: ulimit -n 65536. Or share by files: "
        "torch.multiprocessing.set_sharing_strategy('file_system').",
    ),
    Code(
        code="DW304",
        name="worker-start-failed",
        severity=Severity.CRITICAL,
        means="Loader workers could not be started: no main guard, a dataset that cannot be "
        "pickled, or a Windows paging file that is too small.",
        matters="Under spawn, as on Windows, every worker imports the script and unpickles the "
        "dataset.",
        cure="Put the start under if __name__ == '__main__', use module-level classes, enlarge "
        "the paging file, or num_workers=0.",
    ),
    Code(
        code="DW305",
        name="worker-crashed",
        severity=Severity.CRITICAL,
        means="A loader worker crashed: a segmentation fault, or an exit without an error.",
        matters="The error itself is lost with the worker.",
        cure="Run it with num_workers=0: then the real error is shown.",
    ),
    Code(
        code="DW306",
        name="dataset-error",
        severity=Severity.CRITICAL,
        means="The dataset or a transform raised an error; the innermost one is quoted.",
        matters="It is in the data or in the pipeline, so a rerun would meet it again.",
        cure="Look at the sample and at the quoted line.",
    ),
    Code(
        code="DW307",
        name="no-valid-sample",
        severity=Severity.CRITICAL,
        means="The pipeline returned None for sample after sample, until mmengine gave up.",
        matters="The images are missing, or a filter drops everything.",
        cure="Check the paths in the configuration and the filters of the pipeline.",
    ),
    Code(
        code="DW401",
        name="cuda-out-of-memory",
        severity=Severity.CRITICAL,
        means="The GPU ran out of memory.",
        matters="The same batch would not fit again.",
        cure="A smaller batch with accumulation: train_dataloader.batch_size, "
        "optim_wrapper.accumulative_counts.",
    ),
    Code(
        code="DW403",
        name="gpu-lost",
        severity=Severity.CRITICAL,
        means="The driver lost the GPU.",
        matters="Nothing on this GPU can be rerun until it is back.",
        cure="Reboot; if it comes again, check power, cooling and the kernel log for Xid.",
    ),
    Code(
        code="DW404",
        name="gpu-not-observable",
        severity=Severity.INFO,
        means="There is no GPU or no driver that answers, so GPU memory is not known.",
        matters="Unknown is not zero: nothing is said about GPU memory in this run.",
        cure="On a machine with a GPU: see that nvidia-smi works for this user.",
    ),
    Code(
        code="DW501",
        name="host-out-of-memory",
        severity=Severity.CRITICAL,
        means="The machine ran out of main memory.",
        matters="The same training would need the same memory.",
        cure="Fewer workers, smaller batches, a dataset that is not held in memory.",
    ),
    Code(
        code="DW502",
        name="disk-full",
        severity=Severity.CRITICAL,
        means="There is no space left where the training writes.",
        matters="No checkpoint can be saved.",
        cure="Make room, or choose another --work-dir; max_keep_ckpts limits the checkpoints "
        "that are kept.",
    ),
    Code(
        code="DW503",
        name="console-encoding",
        severity=Severity.CRITICAL,
        means="The training printed a character that its console's encoding does not have.",
        matters="A print ended the training, not the training itself.",
        cure="Set PYTHONUTF8=1 in the environment.",
    ),
    Code(
        code="DW504",
        name="stacks-not-observable",
        severity=Severity.INFO,
        means="The system does not allow reading the stacks of the training.",
        matters="A stall is still seen, but not where the processes stand.",
        cure="Run dualwatch as the same user, allow ptrace (sysctl kernel.yama.ptrace_scope=0), "
        "or add the capability SYS_PTRACE to the container.",
    ),
    Code(
        code="DW602",
        name="config-does-not-load",
        severity=Severity.CRITICAL,
        means="The configuration is missing, has an error, or does not end loading.",
        matters="Nothing was started.",
        cure="Correct it; mmengine's Config.fromfile shows the same error.",
    ),
    Code(
        code="DW603",
        name="data-missing",
        severity=Severity.CRITICAL,
        means="A folder or an annotation file that the configuration names is not there.",
        matters="Nothing was started: the training would die when it builds its datasets.",
        cure="Correct the path in the configuration, or give it with --cfg-options.",
    ),
    Code(
        code="DW605",
        name="resume-blocked",
        severity=Severity.CRITICAL,
        means="The checkpoint cannot be loaded: it is truncated, or torch refuses a class in it.",
        matters="The training cannot go on from there.",
        cure="Take the checkpoint before it; under dualwatch train mmengine's own classes are "
        "already allowed.",
    ),
    Code(
        code="DW606",
        name="training-script-error",
        severity=Severity.CRITICAL,
        means="The training ended by itself with an error; it is quoted.",
        matters="It is not a hang: running it again would end the same way.",
        cure="Read the quoted error; the whole console is in attempt-N/console.log.",
    ),
    Code(
        code="DW801",
        name="tensorboard-unreachable",
        severity=Severity.WARNING,
        means="TensorBoard could not be started or does not answer.",
        matters="The training is not harmed; its curves cannot be looked at.",
        cure="Install it (pip install 'dualwatch[tensorboard]') or choose another --port.",
    ),
)

BY_CODE = {code.code: code for code in CODES}


def finding(
    code: str,
    evidence: list[Evidence],
    *,
    confidence: float,
    remedy: str | None = None,
    severity: Severity | None = None,
    attempt: int | None = None,
    pid: int | None = None,
) -> Finding:
    """A finding with the name, severity and cure of its code unless told otherwise."""
    entry = BY_CODE[code]
    return Finding(
        code=code,
        name=entry.name,
        severity=entry.severity if severity is None else severity,
        confidence=confidence,
        evidence=tuple(evidence),
        remedy=remedy or entry.cure,
        attempt=attempt,
        pid=pid,
    )
