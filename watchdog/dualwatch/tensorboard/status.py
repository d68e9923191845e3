"""The state of TensorBoard: does it answer, which folder does it show, which tags it has.

The supervisor must never wait for an answer, so ``TensorBoardMonitor`` asks in a thread. ``look``
asks once, for a run that is not supervised.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from dualwatch.core.clock import Moment
from dualwatch.core.text import clean, decode_line
from dualwatch.events import NotObserved, TensorBoardSeen
from dualwatch.tensorboard import reader
from dualwatch.tensorboard.reader import EventFiles

HOST = "127.0.0.1"
INTERVAL = 15.0
"""Seconds between two looks."""

RETOLD = 120.0
"""Seconds after which what has not changed is told again: so long does torch keep events back."""

TIMEOUT = 1.0
LAST_LOOK = 3.0
"""Seconds for what a training wrote at its end."""

BYTES = 128 << 10
"""Of events a look, some hundredths of a second; a training writes much less in that time."""

MOST_TAGS = 200
_MOST_ANSWER = 64 << 10
_STEP_OF_VAIN = 30.0


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What a port answered.

    Attributes:
        logdir: The folder that it shows, as it says it.
        why: What kept it from being a TensorBoard's answer.
    """

    answers: bool
    logdir: str = ""
    why: str = ""


def ask(port: int, timeout: float = TIMEOUT) -> ServerAnswer:
    """Asks a port on loopback whether it is a TensorBoard's, and what it shows."""
    import http.client

    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("GET", "/data/environment")
        response = connection.getresponse()
        data = json.loads(response.read(_MOST_ANSWER)) if response.status == 200 else None
    except (TimeoutError, ConnectionRefusedError) as error:
        refused = isinstance(error, ConnectionRefusedError)
        return ServerAnswer(False, why="nothing listens there" if refused else "no answer in time")
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        return ServerAnswer(False, why=f"no TensorBoard's answer: {clean(str(error), 100)}")
    finally:
        connection.close()
    if not isinstance(data, dict) or not isinstance(data.get("data_location"), str):
        return ServerAnswer(False, why="something else answers there")
    return ServerAnswer(True, logdir=clean(data["data_location"], 500))


def look(work_dir: Path, port: int, *, at: float, wall: float) -> TensorBoardSeen:
    """One look for a run, alive or over: at the port, and at the event files of its newest start.

    Takes a second or two at most where they are long.
    """
    answer = ask(port)
    newest = reader.found(work_dir)[-1:]
    files = reader.tags(newest[0].parent, polls=3) if newest else EventFiles(work_dir)
    seen = TensorBoardSeen(at=at, wall=wall, url=_url(port), alive=None, answers=answer.answers)
    return _described(seen, answer, files, work_dir)


class TensorBoardMonitor:
    """TensorBoard beside a run, and the event files of the attempt that is followed.

    Args:
        port: Where it listens; None where there is none.
        ended: Its exit code; None while it runs.
        log: What it prints.
        why: Why it could not be started, "" where it was or nobody wanted it.
    """

    def __init__(
        self,
        port: int | None = None,
        *,
        ended: Callable[[], int | None] = lambda: None,
        log: Path | None = None,
        why: str = "",
    ) -> None:
        self._port = port
        self._ended = ended
        self._log = log
        self._why = why
        self._folder = Path()
        self._since = 0.0
        self._files = EventFiles(self._folder)
        self._next = 0.0
        self._begun_at = 0.0
        self._thread: threading.Thread | None = None
        self._result: tuple[EventFiles, ServerAnswer | None] | None = None
        self._in_vain_since: float | None = None
        self._was_alive = True
        self._told: TensorBoardSeen | None = None

    def begin(self, folder: Path, since: float) -> None:
        """An attempt begins.

        Args:
            folder: The work dir.
            since: Wall time of its start: event files that end before it are not its own.
        """
        self._folder, self._since = folder, since
        self._files = EventFiles(folder, since)
        self._next, self._told = 0.0, None

    def moved(self, folder: Path) -> None:
        """The training has a work dir of its own."""
        if folder != self._folder:
            self.begin(folder, self._since)

    def poll(self, moment: Moment) -> list[TensorBoardSeen | NotObserved]:
        """What is new; never waits."""
        facts = self._news(moment, always=False)
        if self._was_alive and self._port is not None and self._ended() is not None:
            self._was_alive, self._next = False, 0.0
        if self._thread is None and moment.at >= self._next:
            # While it starts, it is asked more often.
            self._next = moment.at + (INTERVAL if self._in_vain_since is None else INTERVAL / 3)
            self._start(moment, is_last=False)
        elif self._thread is not None and moment.at > self._begun_at + 4 * INTERVAL:
            facts.append(_unseen(moment, "a look at it does not come back"))
        return facts

    def rest(self, moment: Moment) -> list[TensorBoardSeen | NotObserved]:
        """What is to be seen when the training has ended; waits some seconds at most."""
        if self._thread is not None:
            self._thread.join(LAST_LOOK)
        self._news(moment, always=False)  # The look that follows tells all of it.
        if self._thread is None:
            self._start(moment, is_last=True).join(LAST_LOOK)
        facts = self._news(moment, always=True)
        return facts or [_unseen(moment, "the last look at it takes too long")]

    def _start(self, moment: Moment, *, is_last: bool) -> threading.Thread:
        self._begun_at = moment.at
        self._thread = threading.Thread(
            target=self._look, args=(self._files, is_last), name="dualwatch-board", daemon=True
        )
        self._thread.start()
        return self._thread

    def _look(self, files: EventFiles, is_last: bool) -> None:
        """In a thread of its own."""
        runs = self._port is not None and self._ended() is None
        answer = ask(self._port) if runs and self._port is not None else None
        files.poll(BYTES)
        while is_last and files.behind:
            files.poll(BYTES)
        self._result = (files, answer)

    def _news(self, moment: Moment, *, always: bool) -> list[TensorBoardSeen | NotObserved]:
        """What the look that is done has seen, where it says anything new."""
        if self._thread is None or self._thread.is_alive():
            return []
        self._thread = None
        result, self._result = self._result, None
        if result is None:
            return [_unseen(moment, "looking at it failed")]
        files, answer = result
        if files is not self._files:
            return []  # Of the attempt before.
        seen = self._composed(answer, files, moment)
        unseen = [files.not_observed] if files.not_observed is not None else []
        if not always and self._told is not None and not self._is_news(seen, self._told):
            return [*unseen]
        self._told = seen
        return [seen, *unseen]

    def _composed(
        self, answer: ServerAnswer | None, files: EventFiles, moment: Moment
    ) -> TensorBoardSeen:
        at, wall = moment
        code = self._ended() if self._port is not None else None
        alive = False if self._why else None if self._port is None else code is None
        if answer is None or answer.answers:
            self._in_vain_since = None
        elif self._in_vain_since is None:
            self._in_vain_since = self._begun_at
        since = self._in_vain_since
        seen = TensorBoardSeen(
            at=at,
            wall=wall,
            url=_url(self._port) if self._port is not None else "",
            alive=alive,
            answers=answer.answers if answer is not None else False if alive is False else None,
            in_vain_s=at - since if since is not None else 0.0,
            why=self._why or (self._death(code) if code is not None else ""),
        )
        return _described(seen, answer, files, self._folder)

    def _is_news(self, seen: TensorBoardSeen, told: TensorBoardSeen) -> bool:
        """Whether more has changed than the time and the step."""
        if seen.at - told.at >= RETOLD or _steps(seen) != _steps(told):
            return True
        return replace(seen, at=0, wall=0, step=0, in_vain_s=0) != replace(
            told, at=0, wall=0, step=0, in_vain_s=0
        )

    def _death(self, code: int) -> str:
        """How it ended, with the last line of what it printed."""
        death = f"it ended with code {code}"
        if self._log is None:
            return death
        try:
            with self._log.open("rb") as stream:
                stream.seek(max(0, stream.seek(0, 2) - 4096))
                lines = [line for line in stream.read().splitlines() if line.strip()]
        except OSError:
            return death
        return f"{death}: {decode_line(lines[-1], 200)}" if lines else death


def _described(
    seen: TensorBoardSeen, answer: ServerAnswer | None, files: EventFiles, folder: Path
) -> TensorBoardSeen:
    """Combines what a port answered with what is in the files."""
    logdir = answer.logdir if answer is not None else ""
    why = seen.why or (answer.why if answer is not None else "")
    count: int | None = len(files.files)
    if files.behind:
        # A tag that was not met may stand in what is left to read.
        count, why = None, why or "the event files are too long to be read in the time"
    return replace(
        seen,
        logdir=logdir,
        shows_run=_shows(logdir, files.files, folder) if logdir else None,
        files=count,
        tags=tuple(sorted(files.scalars))[:MOST_TAGS],
        step=max((scalar.step for scalar in files.scalars.values()), default=None),
        why=why,
    )


def _shows(logdir: str, files: list[Path], folder: Path) -> bool | None:
    """Whether a folder that TensorBoard names holds the files of a run, or would hold them."""
    shown = Path(logdir)
    places = [path.parent for path in files] or [folder]
    if not shown.is_absolute():
        # It was named from where TensorBoard was started, which need not be here.
        return True if any(_holds(Path.cwd() / shown, place) for place in places) else None
    return any(_holds(shown, place) for place in places)


def _holds(folder: Path, place: Path) -> bool:
    try:
        return place.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False


def _steps(seen: TensorBoardSeen) -> int:
    """Reports a failed request at first and when it lasts, not each time."""
    return int(min(seen.in_vain_s, 4 * _STEP_OF_VAIN) // _STEP_OF_VAIN)


def _url(port: int) -> str:
    return f"http://localhost:{port}/"


def _unseen(moment: Moment, why: str) -> NotObserved:
    return NotObserved(at=moment.at, wall=moment.wall, what="TensorBoard", why=why)
