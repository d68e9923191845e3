"""What ``dualwatch diagnose`` prints: scripted documents, and every kind of odd one."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dualwatch.report.bundle.bundle import Bundle
from dualwatch.report.terminal import diagnosis, environment, fields
from dualwatch.report.terminal.wrapping import cells
from hypothesis import given
from hypothesis import strategies as st

DOCUMENTS = Path(__file__).parent / "documents"
BUNDLE = Bundle(Path("w/diagnosis-20231114-221320"), Path("w/diagnosis-20231114-221320.zip"), ())


@pytest.fixture(autouse=True)
def utc(monkeypatch) -> Iterator[None]:
    """The moments of the expected pages are those of one time zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def deadlock() -> dict[str, Any]:
    return json.loads((DOCUMENTS / "deadlock.json").read_text(encoding="utf-8"))


def page(document: dict[str, Any], width: int = 80, **options: Any) -> str:
    return "\n".join(diagnosis.lines(document, width=width, color=False, **options))


@pytest.mark.parametrize("width", [80, 120])
def test_the_page_of_a_deadlock(deadlock, width) -> None:
    expected = (DOCUMENTS / f"deadlock-{width}.txt").read_text(encoding="ascii")
    assert page(deadlock, width, bundle=BUNDLE) + "\n" == expected


def test_the_parts_come_in_their_order(deadlock) -> None:
    titles = [line for line in page(deadlock, bundle=BUNDLE).splitlines() if line[:1].isalpha()]
    assert [title.partition(":")[0] for title in titles] == [
        "work_dirs/deadlock, a run that dualwatch supervises, pid 4711, alive",
        "Likeliest cause",
        "Other possible causes",
        "Also found",
        "Processes",
        "train_dataloader",
        "GPU",
        "Host",
        "Log",
        "Not observed",
        "All of it was written to",
        "What a code means",
    ]


@pytest.mark.parametrize("width", [10, 60, 80, 100, 132])
def test_no_line_is_wider_than_the_terminal(deadlock, width) -> None:
    deadlock["log_tail"].append("页面文件太小 " * 40)
    deadlock["causes"][0]["evidence"][0]["text"] = "数据加载器的工作进程在等待锁 " * 20
    deadlock["nvidia_smi"] = "| NVIDIA-SMI 560 " + "-" * 80 + "|"
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


@pytest.mark.parametrize(
    ("confidence", "said"),
    [(1.0, "almost certain, 100 %"), (0.8, "very likely, 80 %"), (0.6, "likely, 60 %"),
     (0.2, "possible, 20 %"), (None, "?"), ("x", "?")],
)  # fmt: skip
def test_how_sure(confidence, said) -> None:
    assert fields.sureness({"confidence": confidence}) == said


# --- no cause --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "phase", "said"),
    [
        ({"kind": "log"}, "unknown", "the same log"),
        ({"kind": "folder", "alive": False}, "waiting-for-batch", "diagnose --pid PID"),
        ({"kind": "process", "alive": True}, "step", "nothing wrong was found"),
        ({"kind": "run", "alive": False, "supervised": True}, "step", "raw/console.log"),
        ({"kind": "folder"}, "finished", "came to its end"),
        ({"kind": "config"}, "unknown", "dualwatch train CONFIG"),
    ],
)
def test_no_cause_says_what_that_means(target, phase, said) -> None:
    shown = " ".join(page({"target": target, "phase": phase}).split())
    assert said in shown
    assert "no proof" not in shown
    unseen = [{"what": "stacks", "why": "ptrace is forbidden"}]
    shown = " ".join(page({"target": target, "phase": phase, "not_observed": unseen}).split())
    assert "no proof" in shown
    assert "stacks: ptrace is forbidden" in shown


# --- GPU and host ----------------------------------------------------------------------------


def test_gpus_and_who_holds_their_memory(deadlock) -> None:
    gib = 1 << 30
    holders = [
        {"pid": 4711, "used": gib, "name": "train.py", "ours": True},
        {"pid": 99, "used": None, "name": "", "ours": False},
    ]
    deadlock["gpus"] = [
        {"index": 0, "name": "H200", "used": 3 * gib, "total": 140 * gib, "tree": None,
         "utilisation": None, "holders": holders, "errors": ["lost"]}
    ]  # fmt: skip
    deadlock["nvidia_smi"] = "| row |\n"
    shown = page(deadlock)
    assert "  0: H200, 3.0 GiB of 140.0 GiB used, ? by the training, ? busy\n" in shown
    assert "? held by pid 99, not of this run: unknown" in shown
    assert "held by pid 4711" not in shown
    assert "error: lost" in shown
    assert "\n| row |\n" in shown


def test_what_is_tight_says_so() -> None:
    gib = 1 << 30
    host = {
        "memory_total": 10 * gib, "memory_available": 5 * gib, "shm_total": 8 * gib,
        "shm_free": gib // 2, "disk_total": None, "disk_free": None, "open_files_limit": 100,
        "cgroup_oom_kills": 2,
    }  # fmt: skip
    said = environment.host({"host": host, "processes": [{"open_files": 95}, {}]})
    assert said == [
        "memory: 5.0 GiB of 10.0 GiB free",
        "/dev/shm: 512 MiB of 8.0 GiB free (tight); disk: ?",
        "open files at most 95 in a process, limit 100 (tight); "
        "processes killed for memory so far: 2 (tight)",
    ]


# --- processes -------------------------------------------------------------------------------


def test_a_deep_tree() -> None:
    processes = [{"pid": p, "ppid": q} for p, q in [(1, 0), (2, 1), (3, 2), (4, 1), (5, 4)]]
    drawn = [line[2:14].rstrip() for line in page({"processes": processes}).splitlines()]
    first = next(n for n, line in enumerate(drawn) if line.startswith("pid"))
    assert [text.split("  ?")[0].rstrip() for text in drawn[first + 1 : first + 6]] == [
        "1", "|- 2", "|  `- 3", "`- 4", "   `- 5",
    ]  # fmt: skip


def test_a_circle_of_parents_is_shown_once_each() -> None:
    processes = [{"pid": 1, "ppid": 2}, {"pid": 2, "ppid": 1}, {"pid": 3, "ppid": 3}]
    assert [n.process["pid"] for n in fields.tree({"processes": processes})] == [3, 1, 2]


def test_a_thousand_processes_do_not_fill_the_screen() -> None:
    processes = [{"pid": p, "ppid": 1, "role": "worker"} for p in range(1, 1000)]
    shown = page({"processes": processes}).splitlines()
    assert len(shown) < 3 * diagnosis.MOST_PROCESSES
    assert any("and 959 more" in line for line in shown)


# --- odd documents ---------------------------------------------------------------------------


def test_hostile_text_is_tame_everywhere(deadlock, hostile, is_tame) -> None:
    for path in _paths(deadlock):
        document = _with(deadlock, path, hostile)
        assert is_tame(page(document)), path


def test_markup_is_shown_as_it_is(deadlock) -> None:
    assert "[bold]no markup[/bold] red" in page(deadlock)


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([1])


@given(st.data())
def test_no_odd_value_raises(data) -> None:
    document = json.loads((DOCUMENTS / "deadlock.json").read_text(encoding="utf-8"))
    paths = _paths(document)
    for path in data.draw(st.lists(st.sampled_from(paths), max_size=4, unique_by=str)):
        document = _with(document, path, data.draw(ODD))
    page(document)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for key, item in inner:
        below = isinstance(item, (dict, list))
        found += _paths(item, (*path, key)) if below else [(*path, key)]
    return found


def _with(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with another value at a path; where the path is gone, as it was."""
    changed = copy.deepcopy(document)
    holder: Any = changed
    for key in path[:-1]:
        try:
            holder = holder[key]
        except (KeyError, IndexError, TypeError):
            return changed
    if isinstance(holder, (dict, list)):
        try:
            holder[path[-1]] = value
        except (IndexError, TypeError):
            return changed
    return changed
