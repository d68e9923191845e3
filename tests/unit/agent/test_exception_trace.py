"""Which exceptions a traced iteration reports: raised where, caught by which line."""

from __future__ import annotations

import contextlib
import sys
import threading

from dualwatch.agent.exception_trace import MOST, ExceptionTrace


def traced(function) -> list[dict]:
    trace = ExceptionTrace()
    assert trace.start() == ""
    try:
        function()
    finally:
        caught = trace.stop()
    assert sys.gettrace() is None
    return caught


class Head:
    def contrast(self):
        raise ValueError("2x256 and 1024x128")

    def loss(self):
        try:
            return self.contrast()
        except Exception:
            return None


def test_an_exception_is_reported_with_both_of_its_places():
    (one,) = traced(Head().loss)

    assert (one["exception"], one["message"]) == ("ValueError", "2x256 and 1024x128")
    assert one["raised"].endswith(" in contrast")
    assert one["caught"].endswith(" in loss")
    assert one["handler"] == "except Exception:"
    assert one["path"][0] == "Head.contrast (test_exception_trace.py)"
    assert one["foreign"] is False


def test_what_was_raised_on_as_another_one_is_that_other_one():
    def convert():
        try:
            Head().contrast()
        except ValueError as error:
            raise RuntimeError("no loss") from error

    def loss():
        with contextlib.suppress(RuntimeError):
            convert()

    (one,) = traced(loss)

    assert (one["exception"], one["message"]) == ("RuntimeError", "no loss")


def test_an_exception_that_passes_a_finally_is_caught_further_out():
    def tidy():
        done = []
        try:
            Head().contrast()
        finally:
            done.append(1)

    def loss():
        try:
            tidy()
        except ValueError as error:
            return str(error)

    (one,) = traced(loss)

    assert one["caught"].endswith(" in loss")
    assert one["handler"].startswith("except")


def test_a_question_whether_something_is_there_has_no_handler():
    class Lazy:
        def __getattr__(self, name):
            raise AttributeError(name)

    (one,) = traced(lambda: hasattr(Lazy(), "x"))

    assert one["handler"] == ""


def test_the_end_of_an_iterator_is_no_exception():
    assert traced(lambda: [*(x for x in range(3)), next(iter(()), None)]) == []


def test_one_that_is_caught_again_and_again_is_reported_once_and_hides_no_other():
    def many():
        for _ in range(10 * MOST):
            with contextlib.suppress(ValueError):
                int("a")
        Head().loss()

    assert sorted(one["message"] for one in traced(many)) == [
        "2x256 and 1024x128",
        "invalid literal for int() with base 10: 'a'",
    ]


def test_other_threads_are_traced_too():
    def in_a_thread():
        thread = threading.Thread(target=Head().loss)
        thread.start()
        thread.join()

    assert [one["message"] for one in traced(in_a_thread)] == ["2x256 and 1024x128"]


def test_the_frames_that_run_already_are_traced_and_left_as_they_were():
    def plain_loop():
        trace = ExceptionTrace()
        trace.start()
        try:
            int("a")
        except ValueError:
            return trace.stop()

    (one,) = plain_loop()

    assert one["caught"].endswith(" in plain_loop")
    frame = sys._getframe()
    assert (frame.f_trace, frame.f_trace_lines) == (None, True)


def test_a_debugger_is_left_alone():
    def tracer(frame, event, arg):
        return None

    sys.settrace(tracer)
    try:
        assert ExceptionTrace().start() != ""
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(None)
