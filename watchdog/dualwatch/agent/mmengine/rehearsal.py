"""Shortens a training to a rehearsal: some iterations, a validation, a checkpoint; then it ends.

The user's own loop runs, of whatever class. It is left after the last wanted iteration, so that
configuration and script stay as they are. What was seen is written to ``rehearsal.json`` after each
step: a process that dies in one leaves what came before.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, Callable

from dualwatch import protocol
from dualwatch.agent import exception_trace, files
from dualwatch.agent.mmengine import inventory
from dualwatch.protocol import rehearsal as records

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKPOINT = "rehearsal.pth"


class _Enough(BaseException):
    """Leaves the training loop after the last wanted iteration."""


class _FirstBatches:
    """A loader that ends after some batches."""

    def __init__(self, loader: Any, batches: int) -> None:
        self._loader, self._batches = loader, batches

    def __len__(self) -> int:
        return min(self._batches, len(self._loader))

    def __iter__(self) -> Iterator[object]:
        return itertools.islice(iter(self._loader), self._batches)

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)


class Rehearsal:
    """One rehearsal of a Runner.

    Args:
        folder: The attempt's folder.
        wanted: How many iterations and batches.
    """

    def __init__(self, folder: str, wanted: records.Order) -> None:
        self._path = os.path.join(folder, records.FILE)
        self._wanted = wanted
        self._runner: Any = None
        self._done = 0
        self._began = 0.0
        self.seen = records.document()
        self.resumes = False
        """It reads its own checkpoint: that says nothing of the weights of the training."""

    def follow(self, runner: Any) -> None:
        """Shortens the training of a Runner that was just built."""
        self._runner = runner
        build = runner.build_train_loop

        @functools.wraps(build)
        def build_train_loop(*args, **kwargs):
            loop = build(*args, **kwargs)
            loop.run = functools.partial(self._run, loop, loop.run)
            loop.run_iter = functools.partial(self._run_iter, loop, loop.run_iter)
            return loop

        runner.build_train_loop = build_train_loop
        call_hook = runner.call_hook

        @functools.wraps(call_hook)
        def noting(fn_name, **kwargs):
            if fn_name == "after_train_iter" and not self.seen["losses"]:
                self._note_losses(kwargs.get("outputs"))
            call_hook(fn_name, **kwargs)

        runner.call_hook = noting

    def _note_losses(self, outputs: object) -> None:
        if isinstance(outputs, dict):
            self.seen["losses"] = [str(name) for name in outputs]

    # --- the steps -------------------------------------------------------------------------------

    def _run(self, loop: Any, run: Callable[[], object]) -> None:
        """Takes the place of the loop's ``run``; the process ends after it."""
        self.seen["validates"] = self._runner.val_loop is not None
        self.seen["monitored"] = monitored(self._runner.hooks)
        self._write()  # The supervisor learns from it that the training is being shortened.
        inventory.take(self._runner, self.seen)
        validation, validate = self._runner.val_loop, None
        if validation is not None:
            self._shorten(validation)
            # Not within the training, where an interval of few iterations would put it.
            validate, validation.run = validation.run, _nothing
        if not self._step(records.Step.TRAIN, functools.partial(self._train, run)):
            raise SystemExit(1)
        if validate is not None:
            self._step(records.Step.VALIDATE, validate)
        if self._step(records.Step.SAVE, self._save):
            self._step(records.Step.LOAD, self._load)
        inventory.measure(self._runner, self.seen)
        self._write()
        raise SystemExit(0)

    def _train(self, run: Callable[[], object]) -> None:
        self._began = time.monotonic()
        with contextlib.suppress(_Enough):
            run()

    def _run_iter(self, loop: Any, run_iter: Callable[..., object], *args, **kwargs) -> None:
        self.seen["waits"].append(round(time.monotonic() - self._began, 4))
        if self._done == 1:
            self._traced(functools.partial(run_iter, *args, **kwargs))
        else:
            run_iter(*args, **kwargs)
        now = time.monotonic()
        self._done += 1
        self.seen["iterations"] = self._done
        self.seen["seconds"].append(round(now - self._began, 4))
        self._began = now
        workers = int(getattr(loop.dataloader, "num_workers", 0) or 0)
        if self._done >= max(self._wanted["iterations"], workers):
            raise _Enough

    def _traced(self, run_iter: Callable[[], object]) -> None:
        """Runs an iteration and reports the exceptions that were caught in it.

        Of the second one: in the first, much is built whose exceptions are caught on purpose.
        """
        trace = exception_trace.ExceptionTrace()
        why = trace.start()
        try:
            run_iter()
        finally:
            caught = trace.stop()
            reply: protocol.ReplyDocument = {
                "rank": 0,
                "number": 1,
                "order": protocol.AgentCommand.TRACE,
                "done": not why,
                "why": why,
                "path": "",
                "iteration": self._done + 1,
                "awaited": [],
                "caught": caught,
            }
            folder = os.path.dirname(self._path)
            files.put(os.path.join(folder, protocol.reply_file(0, 1)), reply)

    def _shorten(self, loop: Any) -> None:
        loop.dataloader = _FirstBatches(loop.dataloader, self._wanted["batches"])
        evaluate = loop.evaluator.evaluate

        @functools.wraps(evaluate)
        def noting(*args, **kwargs):
            metrics = evaluate(*args, **kwargs)
            self.seen["metrics"] = [str(name) for name in metrics]
            return metrics

        loop.evaluator.evaluate = noting

    def _save(self) -> None:
        self._runner.save_checkpoint(self._runner.work_dir, CHECKPOINT, by_epoch=False)
        path = os.path.join(self._runner.work_dir, CHECKPOINT)
        self.seen["checkpoint_bytes"] = os.path.getsize(path)

    def _load(self) -> None:
        self.resumes = True
        self._runner.resume(os.path.join(self._runner.work_dir, CHECKPOINT))

    def _step(self, name: str, do: Callable[[], object]) -> bool:
        """Does one step and records how it ended; whether it succeeded."""
        step: records.StepDocument = {
            "name": name,
            "ended": False,
            "error": "",
            "where": "",
            "seconds": 0.0,
        }
        self.seen["steps"].append(step)
        self._write()
        began = time.monotonic()
        try:
            do()
        except Exception as error:
            traceback.print_exc()
            step["error"] = f"{type(error).__name__}: {error}"[:2000]
            step["where"] = place(sys.exc_info()[2])
        step["ended"] = True
        step["seconds"] = round(time.monotonic() - began, 3)
        self._write()
        return not step["error"]

    def _write(self) -> None:
        try:
            files.put(self._path, self.seen)
        except OSError:
            files.note_error("recording the rehearsal")


def _nothing() -> None:
    pass


def contain(arguments: dict[str, Any], work_dir: str) -> None:
    """Keeps what a Runner writes in a scratch folder.

    Args:
        arguments: Keyword arguments of ``Runner.__init__``, changed in place.
        work_dir: The scratch folder.
    """
    for place in (arguments, arguments.get("cfg") or {}):
        place["work_dir"] = work_dir
        place["resume"] = False  # There is nothing in the folder to resume from.
        hooks = place.get("default_hooks") or {}
        for hook in [*hooks.values(), *(place.get("custom_hooks") or ())]:
            if isinstance(hook, dict):
                hook.pop("out_dir", None)
        for evaluator in ("val_evaluator", "test_evaluator"):
            given = place.get(evaluator)
            for metric in given if isinstance(given, (list, tuple)) else [given]:
                if isinstance(metric, dict):
                    metric.pop("outfile_prefix", None)
        visualizer = place.get("visualizer")
        if isinstance(visualizer, dict) and visualizer.get("vis_backends"):
            # Others would show the rehearsal as a run, or send it to a service.
            visualizer["vis_backends"] = [{"type": "LocalVisBackend"}]


def monitored(hooks: Any) -> dict[str, str]:
    """Setting -> name of the metric that it looks for after a validation."""
    found: dict[str, str] = {}
    for hook in hooks:
        for setting in ("save_best", "monitor"):
            wanted = getattr(hook, setting, None)
            names = [wanted] if isinstance(wanted, str) else wanted
            if not isinstance(names, (list, tuple)):
                continue
            for number, name in enumerate(names):
                if isinstance(name, str) and name != "auto":
                    suffix = f"[{number}]" if len(names) > 1 else ""
                    found[f"{type(hook).__name__}.{setting}{suffix}"] = name
    return found


def place(trace: Any) -> str:
    """File and line of the innermost frame of a traceback."""
    frames = traceback.extract_tb(trace)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
