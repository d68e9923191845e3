"""Looking at TensorBoard: real sockets, real event files, and a real TensorBoard at the end."""

from __future__ import annotations

import http.server
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.events import NotObserved, TensorBoardSeen
from dualwatch.tensorboard import records, server
from dualwatch.tensorboard import status as tensorboard
from dualwatch.tensorboard.status import TensorBoardMonitor, ask, look

DEADLINE = 60.0
"""Seconds after which a test gives up waiting; nothing is judged by it."""


def record(folder: Path, *rows: tuple[int, str], name: str = "events.out.tfevents.1.host") -> Path:
    """An event file with numbers under these tags; more of them where it is there already."""
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        for step, tag in rows:
            stream.write(records.framed(records.scalars(1e9, step, {tag: 0.5})))
    return path


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], int]]:
    """Starts servers that give one answer to everything; returns their ports."""
    servers: list[http.server.HTTPServer] = []

    def start(status: int, body: bytes) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Says nothing."""

        made = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(made)
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        return made.server_address[1]

    yield start
    for made in servers:
        made.shutdown()
        made.server_close()


def board_of(logdir: object) -> bytes:
    return json.dumps({"version": "2.21.0", "data_location": logdir}).encode()


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


# --- the port ----------------------------------------------------------------------------------


def test_a_tensorboard_says_which_folder_it_shows(answering):
    answer = ask(answering(200, board_of("/runs\x1b[31m")))
    assert (answer.answers, answer.logdir) == (True, "/runs")


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"[1]"), (200, board_of(5)), (404, b""), (500, board_of("/runs"))],
)
def test_something_else_on_the_port_is_no_tensorboard(answering, status, body):
    answer = ask(answering(status, body))
    assert not answer.answers
    assert answer.why


def test_a_port_without_a_word_is_given_up(mute):
    assert ask(mute, timeout=0.05).why == "no answer in time"


def test_a_port_where_nothing_listens():
    port = server.free_port(20_000)
    assert port is not None
    assert ask(port).why == "nothing listens there"


# --- one look ----------------------------------------------------------------------------------


def test_one_look_at_the_newest_start_of_a_run(tmp_path, answering):
    record(tmp_path / "20260101_000000" / "vis_data", (5, "old"))
    newer = tmp_path / "20260102_000000" / "vis_data"
    record(newer, (50, "loss"), (100, "train/loss_macl"), name="events.out.tfevents.2.host")
    seen = look(tmp_path, answering(200, board_of(str(tmp_path.parent))), at=1.0, wall=2.0)
    assert (seen.at, seen.wall, seen.alive, seen.answers) == (1.0, 2.0, None, True)
    assert (seen.files, seen.tags, seen.step) == (1, ("loss", "train/loss_macl"), 100)
    assert seen.shows_run is True


def test_of_a_run_without_event_files_it_is_said(tmp_path, answering):
    seen = look(
        tmp_path, answering(200, board_of(str(Path("/elsewhere").absolute()))), at=0.0, wall=0.0
    )
    assert (seen.files, seen.tags, seen.step, seen.shows_run) == (0, (), None, False)


def test_a_relative_folder_may_be_of_anywhere(tmp_path, answering, monkeypatch):
    port = answering(200, board_of("work_dirs"))
    assert look(tmp_path / "work_dirs" / "a", port, at=0.0, wall=0.0).shows_run is None
    monkeypatch.chdir(tmp_path)
    assert look(tmp_path / "work_dirs" / "a", port, at=0.0, wall=0.0).shows_run is True


# --- beside a run ------------------------------------------------------------------------------


class Watched:
    """A board with a clock of the test's own."""

    def __init__(self, board: TensorBoardMonitor) -> None:
        self.board = board
        self.now = Moment(1000.0, 2000.0)

    def after(self, seconds: float) -> list[TensorBoardSeen | NotObserved]:
        """What is told after so long: the look begins, is waited for, and told at the next."""
        self.now = Moment(self.now.at + seconds, self.now.wall + seconds)
        told = self.board.poll(self.now)
        thread = self.board._thread
        if thread is not None:
            thread.join(DEADLINE)
            told += self.board.poll(self.now)
        return told


def test_it_is_told_once_and_again_when_it_has_changed(tmp_path, answering):
    watched = Watched(TensorBoardMonitor(answering(200, board_of(str(tmp_path)))))
    watched.board.begin(tmp_path, 0.0)
    (first,) = watched.after(0.0)
    assert (first.alive, first.answers, first.files) == (True, True, 0)
    assert watched.after(20.0) == []
    record(tmp_path / "a" / "vis_data", (10, "loss"))
    (second,) = watched.after(20.0)
    assert (second.files, second.tags, second.step) == (1, ("loss",), 10)
    record(tmp_path / "a" / "vis_data", (20, "loss"))
    assert watched.after(20.0) == []  # A step is no news; it is told after a while.
    (third,) = watched.after(tensorboard.RETOLD)
    assert third.step == 20


def test_nobody_waits_for_an_answer(tmp_path, mute):
    watched = Watched(TensorBoardMonitor(mute))
    watched.board.begin(tmp_path, 0.0)
    assert watched.board.poll(watched.now) == []
    thread = watched.board._thread
    assert thread is not None
    assert thread.is_alive()
    thread.join(DEADLINE)
    (seen,) = watched.board.poll(watched.now)
    assert (seen.answers, seen.why) == (False, "no answer in time")


def test_how_long_it_is_asked_in_vain_is_told(tmp_path):
    port = server.free_port(21_000)
    watched = Watched(TensorBoardMonitor(port))
    watched.board.begin(tmp_path, 0.0)
    told = [event for _ in range(14) for event in watched.after(5.0)]
    assert [event.in_vain_s for event in told] == [0.0, 30.0, 60.0]


def test_the_end_of_its_process_is_told_at_once_with_its_last_words(tmp_path, answering):
    log = tmp_path / "tensorboard.log"
    log.write_bytes(b"Traceback\nNo module named \x1b[31mtensorboard\n\n")
    code: list[int] = []
    board = TensorBoardMonitor(
        answering(200, board_of("/")), ended=lambda: code[0] if code else None, log=log
    )
    watched = Watched(board)
    board.begin(tmp_path, 0.0)
    watched.after(0.0)
    code.append(1)
    (seen,) = watched.after(0.5)
    assert (seen.alive, seen.answers) == (False, False)
    assert seen.why == "it ended with code 1: No module named tensorboard"


def test_one_that_was_never_started(tmp_path):
    watched = Watched(TensorBoardMonitor(why="no free port"))
    watched.board.begin(tmp_path, 0.0)
    (seen,) = watched.after(0.0)
    assert (seen.url, seen.alive, seen.why) == ("", False, "no free port")


def test_a_new_attempt_begins_anew_and_earlier_files_are_not_its_own(tmp_path):
    record(tmp_path / "a" / "vis_data", (10, "loss"))
    watched = Watched(TensorBoardMonitor())
    watched.board.begin(tmp_path, 0.0)
    (seen,) = watched.after(0.0)
    assert (seen.alive, seen.answers, seen.files) == (None, None, 1)
    watched.board.begin(tmp_path, clock.now().wall + 1000)
    (seen,) = watched.after(0.0)
    assert (seen.files, seen.tags) == (0, ())


def test_at_the_end_all_is_read_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "BYTES", 100)
    record(tmp_path, *((step, f"tag{step % 7}") for step in range(100)))
    watched = Watched(TensorBoardMonitor())
    watched.board.begin(tmp_path, 0.0)
    (first,) = watched.after(0.0)
    assert first.files is None  # What is left to read may hold the tag that one looks for.
    (last,) = watched.board.rest(watched.now)
    assert (last.files, last.step, len(last.tags)) == (1, 99, 7)


def test_the_training_may_have_a_work_dir_of_its_own(tmp_path):
    record(tmp_path / "own" / "x" / "vis_data", (1, "loss"))
    watched = Watched(TensorBoardMonitor())
    watched.board.begin(tmp_path / "planned", 0.0)
    watched.after(0.0)
    watched.board.moved(tmp_path / "own")
    (seen,) = watched.after(0.0)
    assert seen.files == 1


def test_damage_is_told(tmp_path):
    path = record(tmp_path, (1, "loss"))
    path.write_bytes(path.read_bytes() + b"damaged" * 9)
    watched = Watched(TensorBoardMonitor())
    watched.board.begin(tmp_path, 0.0)
    told = [*watched.after(0.0), *watched.after(20.0)]
    assert any(isinstance(event, NotObserved) and "damaged" in event.why for event in told)


def test_the_real_one(tmp_path):
    pytest.importorskip("tensorboard")
    record(tmp_path / "a" / "vis_data", (10, "loss"))
    port = server.free_port(22_000)
    assert port is not None
    started = server.start(sys.executable, tmp_path, port, tmp_path / "tensorboard.log")
    assert isinstance(started, server.TensorBoardServer)
    try:
        end = clock.now().at + DEADLINE
        while not (answer := ask(started.port)).answers and clock.now().at < end:
            started.process.poll()
            threading.Event().wait(0.2)
        assert answer.answers
        seen = look(tmp_path, started.port, at=0.0, wall=0.0)
    finally:
        started.stop()
    assert (seen.shows_run, Path(seen.logdir), seen.tags) == (True, tmp_path, ("loss",))
