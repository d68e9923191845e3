"""Whether a training did all that it was configured for."""

from __future__ import annotations

from dualwatch import frameworks
from dualwatch.events import AttemptStarted, ConfigRead, Event
from dualwatch.logs.whole import WholeLog
from dualwatch.rules import finished
from dualwatch.rules.finished import Due
from dualwatch.state.snapshot import Snapshot, fold

ERROR = [
    "Traceback (most recent call last):",
    '  File "{}", line 63, in <module>',
    "KeyError: 'step'",
]
TWO = ConfigRead(at=0.0, wall=0.0, path="", how="read", loaders={}, epochs=2)


class Log:
    """A log of mmengine, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *bodies: str, stamped: bool = True) -> Log:
        for body in bodies:
            at = f"2026/03/04 10:{len(self.lines):02d}:00 - mmengine - INFO - " if stamped else ""
            self.lines.append(at + body)
        return self

    def epoch(self, number: int, upto: int = 50) -> Log:
        return self.say(f"Epoch(train) [{number}][{upto}/50]  lr: 1e-2  time: 0.5  loss: 0.5")

    def save(self, number: int) -> Log:
        return self.say(f"Saving checkpoint at {number} epochs")

    def val(self, number: int) -> Log:
        return self.say(f"Epoch(val) [{number}][20/20]    coco/bbox_mAP: 0.3  time: 0.2")

    def error(self, file: str) -> Log:
        return self.say(*(line.format(file) for line in ERROR), stamped=False)

    def snapshot(self, config: ConfigRead | None = TWO) -> Snapshot:
        log = WholeLog(1.8e9, frameworks.line_formats())
        log.take(self.lines)
        begun = AttemptStarted(
            at=0.0, wall=1.0, attempt=0, pid=0, create_time=0.0, command=(), overrides={}
        )
        events: list[Event] = [begun, *([config] if config is not None else [])]
        return fold([*events, *log.starts()[-1].events])


def test_the_validation_that_came_before_must_come_again() -> None:
    log = Log().epoch(1).save(1).val(1).epoch(2).save(2)
    assert finished.outstanding(log.snapshot()) == (Due.VALIDATION,)
    assert not finished.is_finished(log.snapshot())
    assert finished.is_finished(log.val(2).snapshot())


def test_without_validations_the_last_checkpoint_is_the_end() -> None:
    log = Log().epoch(1).save(1).epoch(2)
    assert finished.outstanding(log.snapshot()) == (Due.CHECKPOINT,)
    assert finished.is_finished(log.save(2).snapshot())


def test_what_the_configuration_asks_for_must_come_although_it_never_did() -> None:
    config = ConfigRead(
        at=0.0, wall=0.0, path="", how="read", loaders={}, epochs=1, due_at_end=("validation",)
    )
    log = Log().epoch(1).save(1)
    assert not finished.is_finished(log.snapshot(config))
    assert finished.is_finished(log.val(1).snapshot(config))


def test_every_second_epoch_is_validated() -> None:
    three = ConfigRead(at=0.0, wall=0.0, path="", how="read", loaders={}, epochs=5)
    log = Log().epoch(1).epoch(2).val(2).epoch(3).epoch(4).val(4).epoch(5)
    assert finished.is_finished(log.snapshot(three))


def test_a_last_line_cut_by_the_log_interval_is_the_last_where_its_epoch_was_saved() -> None:
    log = Log().epoch(1, 40).save(1).epoch(2, 40)
    assert not finished.is_finished(log.snapshot())
    assert finished.is_finished(log.save(2).snapshot())


def test_the_line_of_mmcv_that_names_the_goal_counts_more_than_a_configuration() -> None:
    log = Log().say("workflow: [('train', 1), ('val', 1)], max: 3 epochs").epoch(1).epoch(2)
    assert not finished.is_finished(log.snapshot())
    assert finished.is_finished(log.epoch(3).snapshot())


def test_without_a_goal_an_estimate_of_no_time_left_shows_the_end() -> None:
    line = "Epoch(train) [9][50/50]  lr: 1e-2  eta: {}  time: 0.5  loss: 0.5"
    assert finished.is_finished(Log().say(line.format("0:00:00")).snapshot(None))
    assert not finished.is_finished(Log().say(line.format("0:00:40")).snapshot(None))
    assert not finished.is_finished(Log().epoch(9).snapshot(None))


def test_an_error_of_what_comes_after_the_training() -> None:
    log = Log().epoch(1).save(1).epoch(2).save(2)
    after = log.error("/w/summary.py").snapshot()
    assert finished.is_finished(after)
    error = finished.afterwards(after)
    assert error is not None
    assert error.exception == "KeyError"


def test_an_error_of_the_training_loop_is_one_of_the_training() -> None:
    log = Log().epoch(1).save(1).epoch(2).save(2)
    inside = log.error("/opt/env/lib/python3.8/site-packages/mmengine/runner/loops.py").snapshot()
    assert not finished.is_finished(inside)
    assert finished.afterwards(inside) is None


def test_early_stopping_is_an_end() -> None:
    log = Log().epoch(1).val(1)
    assert not finished.is_finished(log.snapshot())
    log.say("the monitored metric did not improve in the last 5 records. best score: 0.172. ")
    assert finished.is_finished(log.snapshot())


def test_a_resume_where_nothing_is_left_to_train() -> None:
    assert finished.is_finished(Log().say("resumed epoch: 2, iter: 100").snapshot())
    assert not finished.is_finished(Log().say("resumed epoch: 1, iter: 50").snapshot())


def test_a_test_run_is_no_training() -> None:
    log = Log().say("Load checkpoint from /w/a/epoch_2.pth")
    log.say("Epoch(test) [100/189]    eta: 0:00:10  time: 0.1  data_time: 0.05  memory: 500")
    assert finished.is_test(log.snapshot())
    assert not finished.is_finished(log.snapshot())
    log.say("Epoch(test) [189/189]    accuracy/top1: 60.1  data_time: 0.07  time: 0.13")
    assert finished.is_finished(log.snapshot())
    assert not finished.is_test(log.epoch(1).snapshot())


def test_a_test_of_mmdet_2_ends_with_its_result() -> None:
    result = "OrderedDict([('bbox_mAP', 0.374), ('bbox_mAP_50', 0.581)])"
    log = Log().say(result, stamped=False)
    assert finished.is_test(log.snapshot())
    assert finished.is_finished(log.snapshot())
    in_training = Log().epoch(1).say(result, stamped=False)
    assert in_training.snapshot().last_test is None
