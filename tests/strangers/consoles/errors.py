"""Tracebacks and what programs around a training print when it ends, in their exact forms."""

from __future__ import annotations

PACKAGES = "/home/lin/miniconda3/envs/det/lib/python3.10/site-packages"

Frame = tuple[str, int, str, str]

MAIN: tuple[Frame, ...] = (
    ("tools/train.py", 121, "<module>", "main()"),
    ("tools/train.py", 117, "main", "runner.train()"),
)
LOOP: tuple[Frame, ...] = (
    *MAIN,
    (f"{PACKAGES}/mmengine/runner/runner.py", 1777, "train", "model = self.train_loop.run()"),
    (f"{PACKAGES}/mmengine/runner/loops.py", 98, "run", "self.run_epoch()"),
    (f"{PACKAGES}/mmengine/runner/loops.py", 115, "run_epoch", "self.run_iter(idx, data_batch)"),
)
FETCH: tuple[Frame, ...] = (
    *LOOP[:-1],
    (
        f"{PACKAGES}/mmengine/runner/loops.py",
        114,
        "run_epoch",
        "for idx, data_batch in enumerate(self.dataloader):",
    ),
    (f"{PACKAGES}/torch/utils/data/dataloader.py", 630, "__next__", "data = self._next_data()"),
)
BACKWARD: tuple[Frame, ...] = (
    *LOOP,
    (
        f"{PACKAGES}/mmengine/optim/optimizer/optimizer_wrapper.py",
        220,
        "backward",
        "loss.backward()",
    ),
    (f"{PACKAGES}/torch/_tensor.py", 492, "backward", "torch.autograd.backward("),
)
VALIDATE: tuple[Frame, ...] = (
    *MAIN,
    (f"{PACKAGES}/mmengine/runner/loops.py", 102, "run", "self.runner.val_loop.run()"),
    (f"{PACKAGES}/mmengine/runner/loops.py", 371, "run", "self.run_iter(idx, data_batch)"),
    (
        f"{PACKAGES}/mmengine/runner/loops.py",
        391,
        "run_iter",
        "outputs = self.runner.model.val_step(data_batch)",
    ),
    (
        f"{PACKAGES}/mmengine/model/base_model/base_model.py",
        133,
        "val_step",
        "return self._run_forward(data, mode='predict')",
    ),
)


def traceback(error: str, frames: tuple[Frame, ...] = LOOP) -> str:
    """A Python traceback; ``error`` is its last line or lines."""
    shown = "".join(
        f'  File "{file}", line {line}, in {function}\n    {code}\n'
        for file, line, function, code in frames
    )
    return f"Traceback (most recent call last):\n{shown}{error}"


def elastic(
    rank: int, exitcode: int, meaning: str, pid: int = 48213, at: str = "2024-03-04_10:07:12"
) -> str:
    """What torchrun prints when a rank failed."""
    others = pid - rank
    kind = f"Signal {-exitcode} ({meaning}) received by PID {pid}" if exitcode < 0 else meaning
    return (
        f"[{at.replace('_', ' ')},004] torch.distributed.elastic.multiprocessing.api: [WARNING] "
        f"Sending process {others + 5} closing signal SIGTERM\n"
        f"[{at.replace('_', ' ')},181] torch.distributed.elastic.multiprocessing.api: [ERROR] "
        f"failed (exitcode: {exitcode}) local_rank: {rank} (pid: {pid}) of binary: /opt/conda/bin/python\n"
        + traceback(
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
            (
                ("/opt/conda/bin/torchrun", 8, "<module>", "sys.exit(main())"),
                (
                    "/opt/conda/lib/python3.10/site-packages/torch/distributed/launcher/api.py",
                    268,
                    "launch_agent",
                    "raise ChildFailedError(",
                ),
            ),
        )
        + f"\n{'=' * 60}\ntrain.py FAILED\n{'-' * 60}\nFailures:\n  <NO_OTHER_FAILURES>\n{'-' * 60}\n"
        f"Root Cause (first observed failure):\n[0]:\n  time      : {at}\n  host      : gpu-a3\n"
        f"  rank      : {rank} (local_rank: {rank})\n  exitcode  : {exitcode} (pid: {pid})\n"
        f"  error_file: <N/A>\n  traceback : {kind}\n{'=' * 60}"
    )
