"""Messages to people who are not there: what is told, once, and in which words."""

from __future__ import annotations

import pytest
from dualwatch.events import AttemptEnded, CommandAnswered, Decided, RunEnded, Severity
from dualwatch.protocol import AgentCommand
from dualwatch.report.run.notifications import LINE_LENGTH, LINES, TITLE_LENGTH, NotificationView


class Post:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.failing: list[tuple[str, str]] = []
        self.unseen: list[tuple[str, str]] = []
        self.finished = False

    def troubles(self) -> list[tuple[str, str]]:
        fresh, self.failing = self.failing, []
        return fresh

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def teller(telling, post):
    notices = NotificationView(
        "my_config.py",
        "/runs/wd",
        send=lambda *message: post.sent.append(message),
        troubles=post.troubles,
        unseen=lambda *trouble: post.unseen.append(trouble),
        finish=post.finish,
    )
    return telling(notices).started()


def test_a_stall_and_what_is_done_about_it_are_one_message(teller, post, change) -> None:
    teller.found("DW111", "2 of 2 workers wait for a lock").found("DW102", "no progress for 5m")
    teller.tell(Decided, action="rerun", reason="DW111: no workers", changes=(change,))
    teller.wait(1)
    ((title, text, kind),) = post.sent
    assert title == "dualwatch: rerun: my_config.py"
    assert kind == "warning"
    stall, cause, decision, changed, where = text.splitlines()
    assert stall.startswith("DW102 stalled-training")
    assert cause.startswith("cause: DW111 loader-deadlock")
    assert decision == "decision: DW111: no workers"
    assert changed == "  train_dataloader.num_workers  2 -> 0"
    assert where.startswith("attempt 0, ")
    assert where.endswith(":/runs/wd")


def test_a_cure_in_place_is_told_when_it_worked(teller, post) -> None:
    teller.found("DW102", "no progress")
    teller.tell(Decided, action="replace", reason="DW111: the loader is replaced")
    answer = {"rank": 0, "number": 1, "order": AgentCommand.REPLACE, "iteration": 22}
    teller.tell(CommandAnswered, done=False, why="it is not stuck", **answer)
    teller.tell(CommandAnswered, done=True, **answer)
    titles = [title.split(": ")[1] for title, *_ in post.sent]
    assert titles == ["stalled-training", "loader replaced"]
    assert post.sent[1][1].startswith("loader replaced at iteration 22")


def test_what_is_only_reported_is_told_by_itself(teller, post) -> None:
    teller.found("DW102", "no progress")
    teller.tell(Decided, action="report", reason="stalls are reported only, as you asked")
    assert post.sent == []
    teller.wait(1).wait(1)
    assert [title for title, *_ in post.sent] == ["dualwatch: stalled-training: my_config.py"]


@pytest.mark.parametrize("action", ["give-up", "stop"])
def test_giving_up_is_told_with_its_reason_once(teller, post, action) -> None:
    teller.found("DW102", "no progress")
    teller.tell(Decided, action=action, reason="all 3 reruns are used up")
    teller.tell(AttemptEnded, attempt=0, exit_code=None, signal="SIGTERM")
    teller.tell(RunEnded, outcome="gave-up", exit_code=4, reason="all 3 reruns are used up")
    ((title, text, kind),) = post.sent
    assert (title, kind) == ("dualwatch: gave-up: my_config.py", "failure")
    assert text.splitlines()[0] == "gave-up (exit code 4): all 3 reruns are used up"
    assert "DW102" in text


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("completed", "success"),
        ("completed-with-findings", "warning"),
        ("interrupted", "warning"),
        ("failed", "failure"),
    ],
)
def test_the_end_is_told(teller, post, outcome, kind) -> None:
    teller.tell(RunEnded, outcome=outcome, exit_code=0, reason="so it was")
    ((title, _, said),) = post.sent
    assert (title, said) == (f"dualwatch: {outcome}: my_config.py", kind)


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.WARNING])
def test_what_is_merely_worth_knowing_is_not_sent(teller, post, severity) -> None:
    teller.found("DW204", "grad_norm is 21", severity=severity).wait(1)
    assert post.sent == []


def test_the_same_finding_is_told_once_a_run_and_a_stall_each_time(teller, post) -> None:
    for attempt in range(3):
        teller.started(attempt=attempt).found("DW201", "loss_macl is missing")
        teller.wait(1).found("DW102", "no progress").wait(1)
    titles = [title.split(": ")[1] for title, *_ in post.sent]
    assert titles == ["required-metric-missing", *["stalled-training"] * 3]


def test_words_from_outside_are_plain_and_bounded(teller, post, hostile, is_tame) -> None:
    for number in range(30):
        teller.found(f"DW3{number % 7 + 1:02}", hostile + "y" * 5000, severity=Severity.ERROR)
    teller.wait(1)
    teller.tell(RunEnded, outcome="failed", exit_code=5, reason=hostile * 100)
    assert post.sent
    for title, text, _ in post.sent:
        assert is_tame(title + text)
        assert len(title) <= TITLE_LENGTH
        assert len(text.splitlines()) <= LINES
        assert max(map(len, text.splitlines())) <= LINE_LENGTH


def test_trouble_is_taken_down_also_at_the_end(teller, post) -> None:
    post.failing = [("json://host/***", "refused")]
    teller.wait(1)
    post.failing = [("mailto://***", "no answer")]
    teller.view.close()
    assert post.finished
    assert post.unseen == [
        ("notification to json://host/***", "refused"),
        ("notification to mailto://***", "no answer"),
    ]
