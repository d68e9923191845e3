"""dualwatch's own curves and texts, read back by TensorBoard's own reader where it is there."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

import pytest
from dualwatch.core.units import GIB
from dualwatch.events import (
    AttemptEnded,
    CommandAnswered,
    Decided,
    GpuSample,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    ProcessesSampled,
    ProcessSample,
    RunStarted,
)
from dualwatch.protocol import Phase
from dualwatch.report.run import tensorboard
from dualwatch.report.run.tensorboard import TensorBoardWriter, finding_text
from dualwatch.tensorboard import records
from dualwatch.tensorboard.reader import EventFiles
from dualwatch.tensorboard.writer import EventFileWriter

EVIL = (
    "<img src=http://evil.test/a.png> ![x](http://evil.test/b.png) [click](javascript:alert(1)) "
    "<script>alert(1)</script> `</code><a href='http://evil.test'>a</a>` <http://evil.test> "
    "\n\n# heading\n| a | b |\n|---|---|\n    code & &lt;b&gt; *em* __strong__ \\<img src=y>"
)


@pytest.fixture
def teller(telling, tmp_path):
    """A teller to curves in ``tmp_path``."""
    return telling(TensorBoardWriter(tmp_path / "tensorboard", lambda what, why: None))


def pulse(teller, iteration: int, phase: str = Phase.WAITING, beats: int | None = None):
    return teller.tell(
        HeartbeatRead,
        rank=0,
        pid=100,
        phase=phase,
        beats=iteration if beats is None else beats,
        epoch=0,
        begun=0,
        iteration=iteration,
        batch=iteration,
        batches=100,
        max_epochs=1,
        max_iterations=100,
    )


def trains(teller, first: int, count: int, every: float = 0.5):
    for iteration in range(first, first + count):
        pulse(teller.wait(every), iteration)
    return teller


def events(folder: Path) -> list[records.EventFileRecord]:
    """All events of the files of a folder, in their order."""
    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            length = records.length_of(data[: records.HEAD])
            body = data[records.HEAD : records.HEAD + length]
            assert records.checksum(body) == int.from_bytes(
                data[records.HEAD + length : records.FRAME + length], "little"
            )
            found.append(records.decode(body))
            data = data[records.FRAME + length :]
    return found


def curve(teller, name: str, attempt: int = 0) -> list[tuple[int, float]]:
    """Steps and values of one curve."""
    folder = teller.view._folder / f"attempt-{attempt}"
    tag = f"dualwatch/{name}"
    return [(e.step, e.scalars[tag]) for e in events(folder) if tag in e.scalars]


def texts(teller, attempt: int = 0) -> dict[str, list[tuple[int, str]]]:
    """Tag -> steps and Markdown, as TensorBoard reads them."""
    library = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    seen = library.EventAccumulator(str(teller.view._folder / f"attempt-{attempt}"))
    seen.Reload()
    return {
        tag: [(e.step, e.tensor_proto.string_val[0].decode()) for e in seen.Tensors(tag)]
        for tag in seen.PluginTagToContent("text")
    }


# --- curves --------------------------------------------------------------------------------------


def test_a_stall_is_a_peak(teller):
    trains(teller.started(), 1, 100)
    for _ in range(60):
        teller.wait(5.0)
    trains(teller, 101, 100)
    times = dict(curve(teller, "iteration_time"))
    assert times.pop(101) > 100
    assert times
    assert all(value == pytest.approx(0.5) for value in times.values())
    silence = curve(teller, "silence_s")
    assert max(value for step, value in silence if step == 100) >= 290
    assert all(value < 20 for step, value in silence if step != 100)


def test_what_comes_at_the_same_step_does_not_hide_the_stall(teller):
    """Of one step TensorBoard keeps the last point."""
    trains(teller.started(), 1, 100)
    for _ in range(10):
        teller.wait(10.0)
    pulse(teller, 100, Phase.STEP, beats=101)
    teller.tell(CommandAnswered, rank=0, number=1, order="replace", done=True, iteration=100)
    assert dict(curve(teller, "silence_s"))[100] >= 90
    trains(teller, 101, 100)
    assert curve(teller, "silence_s")[-1][1] < 1


def test_a_training_without_a_stall_has_no_peak(teller):
    trains(teller.started(), 1, 200)
    assert all(value == pytest.approx(0.5) for _, value in curve(teller, "iteration_time"))
    assert all(value < 20 for _, value in curve(teller, "silence_s"))


def test_a_validation_is_no_slow_iteration(teller):
    trains(teller.started(), 1, 20)
    pulse(teller, 20, Phase.VAL_STEP, beats=21)
    for _ in range(30):
        teller.wait(10.0)
    pulse(teller, 20, Phase.WAITING, beats=22)
    trains(teller, 21, 30)
    assert all(value == pytest.approx(0.5) for _, value in curve(teller, "iteration_time"))


def test_points_are_few_and_their_times_are_those_of_the_facts(teller):
    trains(teller.started(), 1, 1000, every=0.1)
    points = [e for e in events(teller.view._folder / "attempt-0") if e.scalars]
    assert len(points) <= 100 / tensorboard.INTERVAL + 1
    assert [e.wall - 1_700_000_000.0 for e in points] == pytest.approx(
        [0.1 * e.step for e in points], abs=0.5
    )
    steps = [e.step for e in points]
    assert steps == sorted(set(steps))


def test_what_the_machine_shows(teller):
    def worker(cpu: float, pid: int = 101) -> ProcessSample:
        return ProcessSample(
            pid=pid,
            create_time=1.0,
            ppid=100,
            role="worker",
            status="running",
            cpu_s=cpu,
            io_bytes=0,
            rss=1,
            threads=1,
            wchan="",
            command="python",
        )

    gpu = GpuSample(index=1, name="G", used=9 * GIB, total=80 * GIB, tree=3 * GIB, utilisation=5)
    unknown = GpuSample(index=0, name="G", used=None, total=None, tree=None, utilisation=None)
    teller.started().tell(GpusSampled, gpus=(unknown, gpu))
    teller.tell(HostSampled, memory_total=64 * GIB, memory_available=40 * GIB)
    teller.tell(ProcessesSampled, processes=(worker(1.0), worker(1.0, 102)))
    teller.wait(5.0).tell(ProcessesSampled, processes=(worker(6.0), worker(3.5, 102)))
    teller.wait(10.0)
    assert curve(teller, "gpu_memory_gib/1") == [(0, 3.0)]
    assert curve(teller, "gpu_memory_gib/0") == []  # What is not known is no 0.
    assert curve(teller, "host_memory_gib") == [(0, 24.0)]
    assert curve(teller, "workers_cpu") == [(0, 150.0)]
    assert curve(teller, "attempt") == [(0, 0.0)]


@pytest.mark.parametrize("prefix", ["", "train/"])
def test_what_only_the_lines_tell(teller, prefix):
    metrics = {f"{prefix}time": 0.5, f"{prefix}data_time": 0.1, "loss": 1.0}
    event = {"epoch": 2, "iteration": 50, "total": 100, "metrics": metrics}
    teller.started().tell(IterationLogged, mode="train", **event)
    teller.tell(IterationLogged, mode="val", **{**event, "metrics": {"time": 9.0}})
    teller.wait(10.0)
    assert curve(teller, "data_time_share") == [(150, pytest.approx(0.2))]
    assert curve(teller, "iteration_time") == [(150, 0.5)]
    teller.wait(10.0)
    assert len(curve(teller, "iteration_time")) == 1  # An old value is no new point.


# --- attempts ------------------------------------------------------------------------------------


def test_every_attempt_is_a_run_of_its_own(teller):
    trains(teller.started(), 1, 40)
    teller.tell(AttemptEnded, attempt=0, exit_code=None, signal="SIGKILL")
    trains(teller.started(1, resumed_from="/ckpt/iter_20.pth"), 21, 40)
    assert {value for _, value in curve(teller, "attempt", 0)} == {0.0}
    assert {value for _, value in curve(teller, "attempt", 1)} == {1.0}
    assert min(step for step, _ in curve(teller, "attempt", 1)) > 20


@pytest.mark.parametrize("resume", [True, False])
def test_where_a_resumed_training_goes_on_is_not_guessed(teller, resume):
    teller.tell(
        RunStarted,
        config="c.py",
        script="",
        work_dir="",
        required_metrics=(),
        required_because="",
        version="0",
        resume=resume,
    )
    teller.started().wait(20.0)
    assert bool(curve(teller, "silence_s")) is not resume


def test_the_story_is_told_whole_each_time(teller):
    trains(teller.started(), 1, 30)
    teller.found("DW102", "no iteration for 300 s")
    teller.tell(CommandAnswered, rank=0, number=1, order="replace", done=True, iteration=30)
    teller.tell(Decided, action="report", reason="it goes on")
    (*_, (step, story)) = texts(teller)["dualwatch/story"]
    assert step == 30
    assert all(word in story for word in ("attempt 0 started", "DW102", "loader replaced"))
    assert story.count("\n- ") == 3


def test_findings_are_thinned(teller, monkeypatch):
    monkeypatch.setattr(tensorboard, "MOST_FINDINGS", 5)
    teller.started()
    for number in range(50):
        teller.wait(1.0).found("DW102", f"stall {number}")
    assert len(texts(teller)["dualwatch/findings/DW102-stalled-training"]) <= 5


def test_one_taken_up_again_writes_a_file_of_its_own(telling, tmp_path):
    first = telling(TensorBoardWriter(tmp_path / "tensorboard", lambda what, why: None))
    trains(first.started(), 1, 40)
    folder = tmp_path / "tensorboard" / "attempt-0"
    (path,) = folder.iterdir()
    again = telling(TensorBoardWriter(tmp_path / "tensorboard", lambda what, why: None))
    again.snapshot, again.t = first.snapshot, first.t + 100.0
    before = path.read_bytes()
    trains(again, 41, 40)
    assert path.read_bytes() == before
    assert len(list(folder.iterdir())) == 2
    steps = [step for step, _ in curve(again, "attempt")]
    assert steps == sorted(steps)


# --- files ---------------------------------------------------------------------------------------


def test_files_are_readable_by_their_owner_only_and_none_of_the_training_s(teller, tmp_path):
    trains(teller.started(), 1, 40)
    (path,) = (tmp_path / "tensorboard" / "attempt-0").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600 or os.name == "nt"
    seen = EventFiles(path.parent)
    seen.poll()
    assert (seen.files, seen.scalars) == ([], {})


@pytest.mark.skipif(
    os.name == "nt" or not Path("/dev/full").exists(), reason="this system has no /dev/full"
)
def test_a_full_disk_is_told_once_and_costs_nothing_else(telling, tmp_path):
    folder = tmp_path / "tensorboard" / "attempt-0"
    folder.mkdir(parents=True)
    told: list[str] = []
    teller = telling(
        TensorBoardWriter(tmp_path / "tensorboard", lambda what, why: told.append(why))
    )
    name = EventFileWriter(folder, 1_700_000_000.0).path
    name.symlink_to("/dev/full")
    trains(teller.started(), 1, 100)
    assert len(told) == 1
    assert "No space left" in told[0]


def test_half_a_record_is_taken_back(tmp_path, monkeypatch):
    file = EventFileWriter(tmp_path, 1.0)
    file.write(records.scalars(1.0, 1, {"a": 1.0}))
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:9]))
    file.write(records.scalars(2.0, 2, {"a": 2.0}))
    monkeypatch.setattr(os, "write", real)
    file.write(records.scalars(3.0, 3, {"a": 3.0}))
    file.close()
    assert [event.step for event in events(tmp_path)] == [0, 1, 3]
    assert file.lost == 1


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "tensorboard").write_text("a file")
    file = EventFileWriter(tmp_path / "tensorboard" / "attempt-0", 1.0)
    file.write(b"")
    assert file.lost == 1


# --- untrusted text ------------------------------------------------------------------------------


def test_text_from_outside_stays_text_on_the_page_of_tensorboard(teller):
    """Its Markdown lets images of HTML pass, which would be fetched from where a log says."""
    markdowns = pytest.importorskip("tensorboard.plugin_util")
    teller.started().found("DW213", EVIL, EVIL)
    teller.tell(Decided, action="report", reason=EVIL)
    told = texts(teller)
    assert set(told) == {"dualwatch/story", "dualwatch/findings/DW213-swallowed-exception"}
    for _, markdown in (entry for entries in told.values() for entry in entries):
        page = markdowns.markdown_to_safe_html(markdown)
        assert not set(re.findall(r"<(\w+)", page)) - {"p", "ul", "li", "strong", "em", "code"}
        assert "DW213" not in page or "<img src=http://evil.test/a.png>" in html.unescape(page)


def test_a_finding_names_its_page_where_there_is_one(teller, monkeypatch):
    teller.started().found("DW102", "no iteration")
    found = teller.events[-1].finding
    monkeypatch.setattr(tensorboard.explanation, "address", lambda code: "")
    assert finding_text(found).endswith("More: `dualwatch explain DW102`")
    monkeypatch.setattr(tensorboard.explanation, "address", lambda code: f"https://d.test/{code}/")
    assert "[DW102](https://d.test/DW102/)" in finding_text(found)
