"""Lines that are passed over: whatever is read of a log is what would be read of all its lines."""

from __future__ import annotations

import pytest
from dualwatch import frameworks
from dualwatch.events import ErrorFate, ErrorSeen
from dualwatch.logs import line_forms, whole
from dualwatch.logs.line_forms import LineForms, Role
from dualwatch.logs.signs import Words
from dualwatch.logs.whole import WholeLog

CHATTER = "forward: visible (2, 3, 512, 640) at stage1"
TRACEBACK = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "ValueError: x"]
STAMPED = "2026-03-04 10:00:30,100 [INFO] a.py: anything"


@pytest.fixture
def forms() -> LineForms:
    return LineForms(frameworks.line_formats())


def test_lines_that_differ_in_their_digits_have_one_form(forms) -> None:
    first = forms.of("value 100")
    assert all(forms.of(f"value {number}") is first for number in range(101, 1000))


def test_more_forms_than_are_remembered(monkeypatch, forms) -> None:
    monkeypatch.setattr(line_forms, "MOST_KNOWN", 5)
    for number in range(100):
        assert forms.of("x" * (number % 30) + "y").role is Role.DULL


@pytest.mark.parametrize(
    "line",
    [
        "2026/03/04 10:00:30 - mmengine - INFO - Saving checkpoint at 3 epochs",
        "Epoch(train)  [1][ 5/9]  lr: 1e-3  loss: 0.5",
        "System environment:",
        "OrderedDict([('bbox_mAP', 0.3)])",
        *TRACEBACK[:1],
        "Killed",
        "exit code 137",
        "Pod x: OOMKilled 137",
        "OMP: Error #15: Initializing libiomp5md.dll",
        "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2024-03-04T10:01:05 ***",
        "exit code 0xC0000005",
        "Epoch 3/10",
        " 10%|#    | 1/10 [00:01<00:09, 1.0it/s, loss=nan]",
        "{'eval_loss': 0.5, 'epoch': 0.1}",
        "Test: [ 3/10]  Loss 0.5",
        " * Acc@1 64.220 Acc@5 88.100 loss 1.412",
        "Epoch 3/60 | train loss 0.7123 | val loss 0.8001 | val acc 0.642",
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.123",
        "Loss is nan, stopping training",
        "State: OUT_OF_MEMORY",
        "2026/03/04 10:00:30 - x - WARNING - The model and loaded state dict do not match exactly",
        '{"train_loss": 0.5, "test_acc1": 71.2, "test_loss": 0.4, "epoch": 12}',
        "training complete",
        "[03/04 10:00:08 d2.evaluation.testing]: copypaste: AP,AP50",
        *(f"[rank0]: {line}" for line in ("Killed", TRACEBACK[0])),
    ],
)
def test_what_may_matter_is_read(forms, line: str) -> None:
    assert forms.of(line).role is Role.READ
    assert forms.of(line).role is Role.READ, "also the second time"


@pytest.mark.parametrize(
    "line",
    [
        CHATTER,
        "DONE",
        "| car  | 120 | 0.98 |",
        "图像",
        "x" * 5000,
        STAMPED,
        "Mar  4 10:00:30 host x: anything",
        "2026/03/04 10:00:30 - mmengine - INFO - anything",
        "2026/03/04 10:00:30 - mmengine - WARNING - anything",
        "[rank0]: anything",
        "change the default rank of memory",
    ],
)
def test_what_cannot_is_passed(forms, line: str) -> None:
    assert forms.of(line).role is Role.DULL


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("", Role.BLANK),
        ("  \t", Role.BLANK),
        ('{"log":"Epoch 3\\n","time":"2024-03-04T10:00:00.1Z"}', Role.WRAPPED),
        ("2024-03-04T10:00:00.123456789Z stderr F Epoch 3", Role.WRAPPED),
        ("2026/03/04 10:00:30 - x - INFO - Epoch(train)  [1][ 5/9]  loss: 0.5", Role.TRAINING),
        ("[03/04 10:00:08 d2]:  eta: 0:04:00  iter: 19  total_loss: 1.2", Role.TRAINING),
        ("Epoch: [3][160/400]  Time  0.290 ( 0.300)  Loss 7.1e-01", Role.PROGRESS),
        (f"[rank1]: {STAMPED} epoch 3/60 iter 160/400 loss=0.71", Role.PROGRESS),
        ("{'loss': 0.71, 'learning_rate': 5e-05, 'epoch': 0.38}", Role.PROGRESS),
        (" 10%|#    | 1/10 [00:01<00:09, 1.0it/s, loss=0.5]", Role.BAR),
        ("[>>>   ] 100/1000, 9.8 task/s, elapsed: 10s, ETA:    92s", Role.BAR),
        ("160/400 [=========>....................] - ETA: 46s - loss: 0.71", Role.BAR),
        ("iter 250: loss 3.1021, time 120.33ms, mfu 12.10%", Role.PROGRESS),
        ('{"step": 400, "loss": 2.31, "lr": 0.0003}', Role.PROGRESS),
        ("轮次 3 步数 160 损失: 0.5", Role.PROGRESS),
        ("0,49,0.5312,", Role.ROW),
        ("(TrainWorker pid=4711, ip=10.0.0.2) iter 250: loss 3.1021, time 120.33ms", Role.PROGRESS),
        ("3   0.912311    0.701234    0.712000  00:41", Role.ROW),
        ("ValueError: x", Role.ERROR),
        ("loss failed: shapes differ", Role.ERROR),
        (f"[rank1]: {STAMPED} ValueError: x", Role.ERROR),
    ],
)
def test_roles(forms, line: str, role: Role) -> None:
    assert forms.of(line).role is role


SIGNS = [
    *("Killed", "x terminated", "[1]+ Aborted", "Hangup", "core dumped", "0xc0000005", "^C"),
    *("python: can't open file 'x'", "python: No module named x", "sh: srun: command not found"),
    *("srun: error: n1: task 3: Killed", "tasks 3", "rank  : 1", "Root Cause", "Failures:"),
    *("TERM_RUNLIMIT", "Bus error", "=>> PBS: job", "SIGTERM", "Quit", "Evicted", "NVRM: Xid"),
    *("Out Of Memory", "memory limit", "Node failure", "fatal exception", "low on resource"),
    *("attempts left", "has been revoked", "退出代码为 1", "被杀死", "总线"),
    *("Epoch 3", "EPOCH 3", "Test: [1/2]", "第 3 轮", "x\u2501x", "5% 1/2 [<]", "160it [00:01]"),
    *(
        "x failed: y",
        "KeyError: x",
        "An exception: y",
        "训练失败: y",
        "KeyboardInterrupt",
    ),
    *("LOSS 3", "Accuracy: 3", " * Acc@1 64.2", "Average Precision", "grad norm: 1", "(failed 1)"),
    *(TRACEBACK[0], TRACEBACK[1], STAMPED, "1/2 [=>.]", "elapsed: 3s"),
]


@pytest.mark.parametrize("line", SIGNS)
def test_a_word_shows_what_a_reader_looks_for(line: str) -> None:
    words = Words()
    assert words.has_sign(line.translate(str.maketrans("123456789", "0" * 9)))
    assert not words.has_sign(CHATTER)
    assert not words.has_sign(CHATTER), "nor where all its words are known"


def errors(lines: list[str]) -> list[ErrorSeen]:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take(lines)
    events = [event for start in log.starts() for event in start.events]
    return [event for event in events if isinstance(event, ErrorSeen) and event.where]


def test_the_line_before_a_traceback_is_the_one_that_is_there() -> None:
    (ignored,) = errors(["Exception ignored in: <x>", *TRACEBACK])
    assert ignored.fate is ErrorFate.IGNORED
    (raised,) = errors(["Exception ignored in: <x>", CHATTER, *TRACEBACK])
    assert raised.fate is ErrorFate.RAISED


def test_the_message_of_an_exception_has_all_its_lines() -> None:
    (error,) = errors([*TRACEBACK, CHATTER, "Killed"])
    assert CHATTER in error.message


def test_an_error_that_differs_in_its_numbers_is_counted_line_by_line() -> None:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take([f"MACL loss failed: pair {number} differs" for number in range(150)])
    (start,) = log.starts()
    messages = [event.message for event in start.events if isinstance(event, ErrorSeen)]
    assert messages == [f"MACL loss failed: pair {number} differs" for number in (0, 9, 99)]


def test_the_time_of_lines_that_are_passed() -> None:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take([f"2026-03-04 10:{s // 60:02d}:{s % 60:02d},100 [INFO] a.py: x" for s in range(200)])
    log.take(["ValueError: x"])
    (start,) = log.starts()
    assert start.last_wall - start.first_wall == 199
    assert [event.at for event in start.events] == [199]


def test_a_rank_whose_line_came_before_a_traceback() -> None:
    def fates(*lines: str) -> list[ErrorFate]:
        return [error.fate for error in errors([*lines, *(f"[rank1]: {t}" for t in TRACEBACK)])]

    ignored = "[rank1]: Exception ignored in: <x>"
    assert fates(ignored, "[rank0]: hello") == [ErrorFate.IGNORED]
    assert fates(ignored, "[rank1]: hello") == [ErrorFate.RAISED]


def test_lines_of_the_head_and_the_last_line_are_kept() -> None:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take(["model = dict(", "    depth=50)", CHATTER])
    (start,) = log.starts()
    assert start.head == ("model = dict(", "    depth=50)", CHATTER)
    assert start.last_line == CHATTER
    assert tuple(log.tail) == start.head
    assert len(start.head) < whole.TAIL
