"""The verdict on an end that others reported, and which of several errors is the cause."""

from __future__ import annotations

import pytest
from dualwatch.events import (
    Circumstance,
    DeviceAssertSeen,
    EndKind,
    EndReported,
    EndReporter,
    ErrorFate,
    ErrorSeen,
    IterationLogged,
    Severity,
)
from dualwatch.rules import ranking
from dualwatch.rules.deaths import gpu_memory
from dualwatch.rules.deaths.exit import has_a_known_end

K, B, C = EndKind, EndReporter, Circumstance


def reported(story, what: EndKind, by: EndReporter = B.SLURM, **more):
    return story.tell(EndReported, by=by, what=what, text=more.pop("text", "line"), **more)


def raised(story, exception: str, message: str = "", **more):
    more.setdefault("where", "train.py:7 in step")
    return story.tell(ErrorSeen, exception=exception, message=message, **more)


def cause(story):
    """The likeliest cause of a log whose process was not seen to end."""
    return ranking.causes(story.ended(exit_code=None).judged())[0]


SIGKILL = (K.SIGNAL, {"signal": "SIGKILL"})
SIGTERM = (K.SIGNAL, {"signal": "SIGTERM"})
SIGABRT = (K.SIGNAL, {"signal": "SIGABRT"})
SIGSEGV = (K.SIGNAL, {"signal": "SIGSEGV"})
CODE_1 = (K.EXIT_CODE, {"exit_code": 1})


@pytest.mark.parametrize(
    ("reports", "code", "circumstance"),
    [
        ([SIGKILL], "DW501", C.KILLED_SILENTLY),
        ([SIGTERM], "DW609", C.SIGTERM),
        ([(K.SIGNAL, {"signal": "SIGHUP"})], "DW609", C.HANGUP),
        ([SIGSEGV], "DW606", C.NATIVE_CRASH),
        ([(K.SIGNAL, {"signal": "SIGBUS"})], "DW302", None),
        ([(K.TIME_LIMIT, {})], "DW609", C.TIME_LIMIT),
        ([(K.PREEMPTED, {})], "DW609", C.PREEMPTED),
        ([(K.CANCELLED, {})], "DW609", C.CANCELLED),
        ([(K.INTERRUPTED, {})], "DW609", C.INTERRUPTED),
        ([(K.COLLECTIVE_TIMEOUT, {})], "DW118", None),
        ([(K.NOT_STARTED, {})], "DW607", C.NO_SCRIPT),
        ([CODE_1], "DW606", C.SILENT_EXIT),
        ([(K.NO_THREAD, {}), SIGABRT], "DW304", C.PROCESS_LIMIT),
        # The first report counts: launchers end what is left.
        ([(K.OUT_OF_MEMORY, {}), (K.CANCELLED, {})], "DW501", C.JOB_LIMIT),
        ([(K.CANCELLED, {}), (K.OUT_OF_MEMORY, {})], "DW501", C.JOB_LIMIT),
        ([SIGTERM, SIGKILL, (K.TIME_LIMIT, {})], "DW609", C.TIME_LIMIT),
        ([(K.CANCELLED, {}), SIGKILL], "DW609", C.CANCELLED),
        ([SIGKILL, (K.CANCELLED, {})], "DW501", C.KILLED_SILENTLY),
        ([CODE_1, (K.CANCELLED, {}), SIGTERM], "DW606", C.SILENT_EXIT),
        ([(K.COLLECTIVE_TIMEOUT, {}), SIGABRT], "DW118", None),
        ([SIGKILL, (K.COLLECTIVE_TIMEOUT, {})], "DW501", C.KILLED_SILENTLY),
    ],
)
def test_what_ended_it(story, reports, code, circumstance):
    story.line(loss=1.0).wait(1)
    for what, more in reports:
        reported(story, what, **more)
    assert has_a_known_end(story.snapshot)
    found = cause(story)
    assert (found.code, found.circumstance) == (code, circumstance)
    assert found.severity is Severity.CRITICAL


def test_a_guess_is_likely_and_a_report_is_certain(story, new_story):
    story.line(loss=1.0)
    other = new_story().started().line(loss=1.0)
    assert cause(reported(story, *SIGKILL[:1], **SIGKILL[1])).certainty == "likely"
    assert cause(reported(other, K.OUT_OF_MEMORY)).certainty == "certain"


def test_a_training_that_continued_was_not_ended(story):
    reported(story.line(loss=1.0), *SIGKILL[:1], **SIGKILL[1]).wait(1).line(loss=1.0)
    assert not has_a_known_end(story.snapshot)


def test_ranks_that_start_again_have_not_ended(story):
    reported(story.line(loss=1.0), *SIGKILL[:1], **SIGKILL[1])
    reported(story, K.RESTARTED, by=B.TORCHRUN)
    assert not has_a_known_end(story.snapshot)


# --- errors and reports ------------------------------------------------------------------------


def test_an_error_of_its_own_comes_before_what_it_led_to(story):
    raised(story.line(loss=1.0).wait(1), "ValueError", "no boxes")
    reported(story, K.COLLECTIVE_TIMEOUT, by=B.NCCL)
    reported(story, K.CANCELLED)
    assert cause(story).headline.startswith("ValueError: no boxes")


def test_workers_that_were_ended_with_the_job_are_no_cause(story):
    message = "DataLoader worker (pid 7) is killed by signal: Terminated. "
    raised(story.line(loss=1.0).wait(1), "RuntimeError", message)
    assert cause(reported(story, K.TIME_LIMIT)).code == "DW609"


def test_ctrl_c_is_nobodys_error(story):
    raised(story.line(loss=1.0).wait(1), "KeyboardInterrupt")
    raised(story, "BrokenPipeError", "[Errno 32] Broken pipe")
    found = cause(story)
    assert (found.code, found.circumstance) == ("DW609", C.INTERRUPTED)


def test_an_error_that_left_it_hanging_comes_before_ctrl_c(story):
    raised(story.line(loss=1.0).wait(1), "ValueError", "no boxes")
    assert cause(raised(story, "KeyboardInterrupt")).code == "DW606"


@pytest.mark.parametrize("fate", [f for f in ErrorFate if f is not ErrorFate.RAISED])
def test_an_error_that_python_survives_ends_nothing(story, fate):
    raised(story.line(loss=1.0).wait(1), "AssertionError", "can only test a child", fate=fate)
    assert not has_a_known_end(story.snapshot)


def test_a_child_that_lost_its_parent_is_no_cause(story):
    child = '  File "/x/multiprocessing/spawn.py", line 126, in _main'
    raised(story.prints(1), "TypeError", "cannot pickle '_io.BufferedReader' object")
    raised(story, "EOFError", "Ran out of input", excerpt=(child,))
    assert cause(story).headline.startswith("TypeError")


def test_a_timeout_while_a_rank_evaluates_has_its_own_remedy(story):
    story.tell(IterationLogged, mode="val", epoch=1, iteration=9, total=9, metrics={})
    found = cause(reported(story, K.COLLECTIVE_TIMEOUT, by=B.NCCL))
    assert (found.code, found.circumstance) == ("DW118", C.WHILE_EVALUATING)


# --- numbers and labels ------------------------------------------------------------------------


def asserted(story, assertion: str, place: str = "Loss.cu:250"):
    return story.tell(
        DeviceAssertSeen, place=place, kernel="nll_loss", assertion=assertion, text=assertion
    )


@pytest.mark.parametrize(
    ("assertion", "code"),
    [("t >= 0 && t < n_classes", "DW308"), ("something_else", "DW606")],
)
def test_an_assertion_says_whether_it_is_a_label(story, assertion, code):
    asserted(story.line(loss=1.0), assertion)
    raised(story, "RuntimeError", "CUDA error: device-side assert triggered")
    assert cause(story).code == code


def test_an_error_of_cuda_follows_from_a_loss_that_is_not_finite(story):
    raised(story.line(loss=float("nan")).wait(1), "RuntimeError", "CUDA error: device-side assert")
    assert cause(story).code == "DW203"


def test_another_error_does_not_follow_from_it(story):
    assert cause(raised(story.line(loss=float("nan")).wait(1), "KeyError", "'a'")).code == "DW606"


OLD = (
    "CUDA out of memory. Tried to allocate {} (GPU 0; 10.00 GiB total capacity; {} already "
    "allocated; {} free; {} reserved in total by PyTorch)"
)


@pytest.mark.parametrize(
    ("numbers", "code", "circumstance"),
    [
        (("20.00 MiB", "6.00 GiB", "2.50 MiB", "6.10 GiB"), "DW402", C.HELD_BY_UNKNOWN),
        (("512.00 MiB", "9.00 GiB", "100.00 MiB", "9.30 GiB"), "DW401", None),
        (("1.00 GiB", "5.00 GiB", "0.10 GiB", "9.00 GiB"), "DW401", C.FRAGMENTED),
        (("900.00 GiB", "1.00 GiB", "8.00 GiB", "1.10 GiB"), "DW401", C.LARGER_THAN_GPU),
    ],
)
def test_the_numbers_of_an_out_of_memory_error(story, numbers, code, circumstance):
    raised(story.line(loss=1.0).wait(1), "RuntimeError", OLD.format(*numbers))
    found = cause(story)
    assert (found.code, found.circumstance) == (code, circumstance)


def test_newer_messages_name_the_processes():
    read = gpu_memory.read(
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 1 has a total capacity of 23.65 GiB "
        "of which 12.00 MiB is free. Process 3190 has 18.00 GiB memory in use. Including "
        "non-PyTorch memory, this process has 5.60 GiB memory in use. Of the allocated memory "
        "5.00 GiB is allocated by PyTorch, and 100.00 MiB is reserved by PyTorch but unallocated."
    )
    assert (read.gpu, read.others) == (1, {3190: 18 * 1024**3})
    assert read.held_by_others is not None


@pytest.mark.parametrize(
    ("path", "code"),
    [("/w/a/20240304/vis.json", "DW609"), ("/data/coco/1.jpg", "DW606")],
)
def test_a_training_whose_folder_was_removed(story, path, code):
    from dualwatch.events import LogMilestone

    text = "Checkpoints will be saved to /w/a."
    story.tell(LogMilestone, name="checkpoints-announced", text=text).line(loss=1.0).wait(1)
    line = "    with open(file_path, 'a+') as f:"
    message = f"[Errno 2] No such file or directory: '{path}'"
    raised(story, "FileNotFoundError", message, excerpt=(line,))
    assert cause(story).code == code


@pytest.mark.parametrize(
    ("exit_code", "code", "circumstance"),
    [
        (0xC0000005, "DW606", C.NATIVE_CRASH),
        (0xC0000005 - (1 << 32), "DW606", C.NATIVE_CRASH),  # as a signed number
        (0xC0000409, "DW606", C.NATIVE_CRASH),
        (0xC000012D, "DW501", C.PAGING_FILE),
        (0xC000013A, "DW609", C.INTERRUPTED),
        (0xC0000135, "DW607", C.SYSTEM_LIBRARY),
        (3, "DW606", C.SILENT_EXIT),
    ],
)
def test_what_windows_ended_is_known_by_its_exit_code(story, exit_code, code, circumstance) -> None:
    (found, *_) = ranking.causes(story.trains(3).ended(exit_code=exit_code).judged())
    assert (found.code, found.circumstance) == (code, circumstance)


def test_a_library_without_threads_interrupts_its_process(story):
    reported(story, K.NO_THREAD, B.RUNTIME)
    raised(story, "KeyboardInterrupt")
    found = cause(story)
    assert (found.code, found.circumstance) == ("DW304", C.PROCESS_LIMIT)


def test_an_error_comes_before_a_library_without_threads(story):
    reported(story, K.NO_THREAD, B.RUNTIME)
    raised(story, "ValueError", "the anchors do not fit the boxes")
    assert cause(story).code == "DW606"
