"""What ``dualwatch diagnose`` prints: scripted documents, and every kind of odd one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from dualwatch.events import Evidence, GpuHolder, GpuSample
from dualwatch.report.diagnosis import Diagnosis, Host, NotSeen, Process, Target
from dualwatch.report.terminal import diagnosis, environment, processes
from dualwatch.report.terminal.wrapping import cells
from msgspec import Struct, structs

DOCUMENTS = Path(__file__).parent / "documents"
BUNDLE = Path("w/dualwatch/diagnosis-20231114-221320.zip")


@pytest.fixture(autouse=True)
def _in_utc(utc) -> None:
    """The moments of the expected pages are those of one time zone."""


def page(document: Diagnosis, width: int = 80, **options: Any) -> str:
    return "\n".join(diagnosis.lines(document, width=width, color=False, **options))


@pytest.mark.parametrize("width", [80, 120])
def test_the_page_of_a_deadlock(deadlock, width) -> None:
    expected = (DOCUMENTS / f"deadlock-{width}.txt").read_text(encoding="ascii")
    shown = page(deadlock, width, bundle=BUNDLE) + "\n"
    assert shown.replace(str(BUNDLE), BUNDLE.as_posix()) == expected


def test_the_verdict_comes_last(deadlock) -> None:
    titles = [line for line in page(deadlock, bundle=BUNDLE).splitlines() if line[:1].isalpha()]
    assert [title.partition(":")[0] for title in titles] == [
        "work_dirs/deadlock, a run supervised by dualwatch, pid 4711, alive",
        "Log",
        "Processes",
        "train_dataloader",
        "GPU",
        "Host",
        "Not observed",
        "Also found",
        "Other possible causes",
        "Status",
        "Likeliest cause",
        "All of it",
        "Next",
    ]


def test_the_last_screen_holds_cause_remedy_and_next_command(deadlock) -> None:
    deadlock.log_tail = [f"line {number}" for number in range(200)]
    screen = "\n".join(page(deadlock, bundle=BUNDLE).splitlines()[-24:])
    cause = deadlock.causes[0]
    for part in (cause.code, cause.remedy.split()[0], str(BUNDLE), f"explain {cause.code}"):
        assert part in screen


def test_no_process_is_called_0(deadlock) -> None:
    deadlock.target.pid = 0
    deadlock.causes = [structs.replace(deadlock.causes[0], pid=0, attempt=None)]
    assert "pid 0" not in page(deadlock)


@pytest.mark.parametrize("width", [10, 60, 80, 100, 132])
def test_no_line_is_wider_than_the_terminal(deadlock, width) -> None:
    deadlock.log_tail.append("页面文件太小 " * 40)
    seen = Evidence(text="数据加载器的工作进程在等待锁 " * 20, source="py-spy", wall=1.0)
    deadlock.causes = [structs.replace(deadlock.causes[0], evidence=(seen,))]
    deadlock.nvidia_smi = "| NVIDIA-SMI 560 " + "-" * 80 + "|"
    shown = page(deadlock, width)
    assert max(map(cells, shown.splitlines())) <= max(width, diagnosis.NARROWEST)


def test_colours_are_all_that_colour_adds(deadlock) -> None:
    plain = page(deadlock)
    painted = "\n".join(diagnosis.lines(deadlock, width=80, color=True))
    assert painted != plain
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == plain


def test_the_page_is_ascii_unless_told_otherwise(deadlock) -> None:
    assert page(deadlock).isascii()
    assert "├─ 4720" in page(deadlock, fancy=True)


# --- no cause --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "phase", "said"),
    [
        (Target(kind="log"), "unknown", "diagnose --pid PID"),
        (Target(kind="folder", alive=False), "waiting-for-batch", "diagnose --pid PID"),
        (Target(kind="process", alive=True), "step", "No problem found"),
        (Target(kind="run", alive=False, supervised=True), "step", "raw/console.log"),
        (Target(kind="folder"), "finished", "came to its end"),
        (Target(kind="config"), "unknown", "dualwatch train CONFIG"),
    ],
)
def test_no_cause_says_what_that_means(target, phase, said) -> None:
    document = Diagnosis(target=target, phase=phase)
    shown = " ".join(page(document).split())
    assert said in shown
    assert "Not everything could be observed" not in shown
    document.not_observed = [NotSeen(what="stacks", why="ptrace is forbidden")]
    shown = " ".join(page(document).split())
    assert "Not everything could be observed" in shown
    assert "stacks: ptrace is forbidden" in shown


# --- GPU and host ----------------------------------------------------------------------------


def test_gpus_and_who_holds_their_memory(deadlock) -> None:
    gib = 1 << 30
    holders = (
        GpuHolder(pid=4711, used=gib, name="train.py", ours=True),
        GpuHolder(pid=99, used=None, name="", ours=False),
    )
    deadlock.gpus = [
        GpuSample(
            index=0, name="H200", used=3 * gib, total=140 * gib, tree=None,
            utilisation=None, holders=holders, errors=("lost",),
        )
    ]  # fmt: skip
    deadlock.nvidia_smi = "| row |\n"
    shown = page(deadlock)
    assert "  0: H200, 3.0 GiB of 140.0 GiB used, ? by the training, ? busy\n" in shown
    assert "? held by pid 99, not of this run: unknown" in shown
    assert "held by pid 4711" not in shown
    assert "error: lost" in shown
    assert "\n| row |\n" in shown


def test_what_is_tight_says_so() -> None:
    gib = 1 << 30
    host = Host(
        memory_total=10 * gib, memory_available=5 * gib, shm_total=8 * gib, shm_free=gib // 2,
        open_files_limit=100, cgroup_oom_kills=2,
    )  # fmt: skip
    processes = [Process(pid=1, open_files=95), Process(pid=2)]
    said = environment.host(Diagnosis(host=host, processes=processes))
    assert said == [
        "memory: 5.0 GiB of 10.0 GiB free",
        "/dev/shm: 512 MiB of 8.0 GiB free (tight); disk: ?",
        "open files at most 95 in a process, limit 100 (tight); "
        "processes killed for memory so far: 2 (tight)",
    ]


# --- processes -------------------------------------------------------------------------------


def test_a_deep_tree() -> None:
    tree = [Process(pid=p, ppid=q) for p, q in [(1, 0), (2, 1), (3, 2), (4, 1), (5, 4)]]
    drawn = [line[2:14].rstrip() for line in page(Diagnosis(processes=tree)).splitlines()]
    first = next(n for n, line in enumerate(drawn) if line.startswith("pid"))
    assert [text.split("  ?")[0].rstrip() for text in drawn[first + 1 : first + 6]] == [
        "1", "|- 2", "|  `- 3", "`- 4", "   `- 5",
    ]  # fmt: skip


def test_a_circle_of_parents_is_shown_once_each() -> None:
    circle = [Process(pid=1, ppid=2), Process(pid=2, ppid=1), Process(pid=3, ppid=3)]
    assert [node.process.pid for node in processes.tree(circle)] == [3, 1, 2]


def test_a_thousand_processes_do_not_fill_the_screen() -> None:
    many = [Process(pid=p, ppid=1, role="worker") for p in range(1, 1000)]
    shown = page(Diagnosis(processes=many)).splitlines()
    assert len(shown) < 3 * diagnosis.MOST_PROCESSES
    assert any("and 959 more" in line for line in shown)


# --- text from outside -----------------------------------------------------------------------


def test_hostile_text_is_tame_everywhere(deadlock, hostile, is_tame) -> None:
    assert is_tame(page(_poisoned(deadlock, hostile)))


def test_markup_is_shown_as_it_is(deadlock) -> None:
    assert "[bold]no markup[/bold] red" in page(deadlock)


def _poisoned(value: Any, text: str) -> Any:
    """The same with a text instead of every other one."""
    if isinstance(value, Struct):
        fields = structs.asdict(value).items()
        return structs.replace(value, **{name: _poisoned(item, text) for name, item in fields})
    if isinstance(value, dict):
        return {key: _poisoned(item, text) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_poisoned(item, text) for item in value)
    return text if isinstance(value, str) else value
