"""The bundle: whole or not there, for its owner only, bounded, and without what must not leave."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from dualwatch.report.bundle import bundle
from dualwatch.report.bundle.redaction import Redactor
from dualwatch.report.diagnosis import Diagnosis, NotSeen
from hypothesis import given, settings
from hypothesis import strategies as st

STAMP = 1_700_000_000.0


class Written(NamedTuple):
    """A bundle, and what is in it: ``folder`` lies elsewhere and was unpacked from the archive."""

    archive: Path
    folder: Path
    files: tuple[str, ...]


def write(folder: Path, document: Diagnosis, raw: Any = None, redactor: Any = None) -> Written:
    path = bundle.write(folder / "diagnosis.zip", document, raw or {}, redactor, stamp=STAMP)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        place = Path(tempfile.mkdtemp(dir=folder.parent))
        archive.extractall(place)
        names = tuple(name.partition("/")[2] for name in archive.namelist())
    return Written(path, place / path.stem, names)


def test_one_file_holds_all_of_it(tmp_path, deadlock) -> None:
    written = write(tmp_path / "w", deadlock, {"console.log": "a\nb\n", "config.py": "x = 1\n"})
    assert written.files == (
        "README.md", "diagnosis.json", "raw/console.log", "raw/config.py", "manifest.json",
    )  # fmt: skip
    assert os.listdir(tmp_path / "w") == ["diagnosis.zip"]
    assert json.loads((written.folder / "diagnosis.json").read_text()) == deadlock.as_json()


def test_the_manifest_lists_every_file(tmp_path, deadlock) -> None:
    written = write(tmp_path, deadlock, {"console.log": "a\n"})
    manifest = json.loads((written.folder / "manifest.json").read_text())
    assert {entry["file"] for entry in manifest["files"]} == set(written.files) - {"manifest.json"}
    for entry in manifest["files"]:
        data = (written.folder / entry["file"]).read_bytes()
        assert (entry["bytes"], entry["cut"]) == (len(data), False)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    assert manifest["redacted"] is None
    assert manifest["not_observed"] == deadlock.as_json()["not_observed"]


@pytest.mark.skipif(os.name == "nt", reason="the permissions are those of POSIX")
def test_only_the_owner_can_read_it(tmp_path, deadlock) -> None:
    before = os.umask(0)
    try:
        written = write(tmp_path / "new", deadlock, {"console.log": ""})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE(written.archive.stat().st_mode) == 0o600
    with zipfile.ZipFile(written.archive) as archive:
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100600}


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_opens_it(tmp_path, deadlock) -> None:
    written = write(tmp_path, deadlock, {"console.log": "a\n"})
    done = subprocess.run(["unzip", "-tqq", str(written.archive)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_bundle_is_overwritten(tmp_path, deadlock) -> None:
    first = write(tmp_path, deadlock)
    content = first.archive.read_bytes()
    (tmp_path / "diagnosis-2.zip").mkdir()
    assert write(tmp_path, deadlock).archive.name == "diagnosis-3.zip"
    assert first.archive.read_bytes() == content


# --- nothing personal ------------------------------------------------------------------------


def test_everything_is_redacted(tmp_path, deadlock) -> None:
    redactor = Redactor.of_machine(
        {"HF_TOKEN": "s3cr3t/value"}, "alice", "/home/alice", "gpu01.lab.example.org"
    )
    deadlock.log_tail.append("alice on gpu01: /home/alice/x s3cr3t/value")
    deadlock.status.sentence = "alice waits"
    deadlock.environment.variables["/home/alice"] = "s3cr3t%2Fvalue"
    deadlock.not_observed.append(NotSeen(what="x", why="/home/alice/.x: no"))
    raw = {"alice-console.log": "alice /home/alice s3cr3t/value gpu01.lab.example.org\n"}
    written = write(tmp_path, deadlock, raw, redactor)
    assert "raw/user-1-console.log" in written.files
    for name in written.files:
        content = (written.folder / name).read_text()
        for word in ("alice", "gpu01", "s3cr3t"):
            assert word not in content, (name, word)
    manifest = json.loads((written.folder / "manifest.json").read_text())
    assert manifest["redacted"] == {"secret": 1, "home": 1, "host": 1, "user": 1}
    readme = (written.folder / "README.md").read_text()
    assert "secrets (1), home folders (1), names of machines (1), user names (1)" in readme


# --- size ------------------------------------------------------------------------------------


def test_a_huge_file_keeps_its_beginning_and_its_end(tmp_path) -> None:
    lines = [f"{number:07d} ä{'x' * 90}\n" for number in range(120_000)]
    written = write(tmp_path, Diagnosis(), {"console.log": "".join(lines), "small.txt": "a"})
    data = (written.folder / "raw/console.log").read_bytes()
    assert bundle.LARGEST - 1000 < len(data) <= bundle.LARGEST
    kept = data.decode("utf-8").splitlines(keepends=True)
    marked = [n for n, line in enumerate(kept) if line.startswith("[dualwatch:")]
    assert len(marked) == 1
    head, tail = kept[: marked[0]], kept[marked[0] + 1 :]
    assert bundle.HEAD - 1000 < len("".join(head).encode()) <= bundle.HEAD
    assert (head, tail) == (lines[: len(head)], lines[-len(tail) :])
    manifest = json.loads((written.folder / "manifest.json").read_text())
    entry = {e["file"]: e for e in manifest["files"]}
    left_out = sum(len(line.encode()) for line in lines[len(head) : -len(tail)])
    assert (entry["raw/console.log"]["cut"], entry["raw/console.log"]["left_out"]) == (
        True,
        left_out,
    )
    assert entry["raw/small.txt"]["cut"] is False
    assert "left out" in (written.folder / "README.md").read_text()


def test_one_endless_line_is_cut_between_characters(tmp_path) -> None:
    written = write(tmp_path, Diagnosis(), {"console.log": "页" * 4_000_000})
    data = (written.folder / "raw/console.log").read_bytes()
    assert len(data) <= bundle.LARGEST
    assert set(data.decode("utf-8").replace("\n", "")) > {"页"}


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("console.log", "console.log"),
        ("../../etc/passwd", "etc-passwd"),
        ("/etc/passwd", "etc-passwd"),
        (r"C:\x\..\y.txt", "C-x-y.txt"),
        ("stacks/pid 12.txt", "stacks-pid_12.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("a\x00\nb\x1b.log", "a__b_.log"),
        ("x" * 300 + ".log", "x" * 96 + ".log"),
    ],
)
def test_a_name_leads_nowhere_else(tmp_path, name, safe) -> None:
    written = write(tmp_path, Diagnosis(), {name: "x"})
    assert written.files[2] == f"raw/{safe}"
    assert (written.folder / "raw" / safe).read_text() == "x"


def test_names_that_become_equal_are_numbered(tmp_path) -> None:
    written = write(tmp_path, Diagnosis(), {"a/b.txt": "1", "a-b.txt": "2", "A-B.txt": "3"})
    assert written.files[2:5] == ("raw/a-b.txt", "raw/a-b-2.txt", "raw/A-B-3.txt")


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8))
def test_any_names_are_different_and_plain(names) -> None:
    taken: set[str] = set()
    safe = [bundle._safe(name, taken) for name in names]
    assert len({name.casefold() for name in safe}) == len(safe)
    for name in safe:
        assert name == Path(name).name
        assert name not in ("", ".", "..")


# --- failure ---------------------------------------------------------------------------------


def test_nothing_is_left_behind_where_it_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"."):
        write(tmp_path / "file" / "below", Diagnosis())
    assert os.listdir(tmp_path) == ["file"]


FULL = """
import random, resource, signal, sys
from pathlib import Path
from dualwatch.report.bundle import bundle
from dualwatch.report.diagnosis import Diagnosis
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    noise = random.Random(0).randbytes(100_000).hex()
    bundle.write(Path(sys.argv[1], "d.zip"), Diagnosis(), {"a.log": noise}, None, stamp=0.0)
except OSError:
    print("OSError")
"""


@pytest.mark.skipif(os.name == "nt", reason="only POSIX limits the size of files")
def test_nothing_is_left_behind_on_a_full_disk(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "OSError\n", done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("stamp", [0.0, -1e18, 1e18, STAMP])
def test_any_moment_will_do(tmp_path, stamp) -> None:
    written = bundle.write(tmp_path / "d.zip", Diagnosis(), {}, None, stamp=stamp)
    with zipfile.ZipFile(written) as archive:
        assert archive.infolist()[0].date_time[0] in range(1980, 2108)


def test_text_that_no_encoding_holds(tmp_path) -> None:
    written = write(tmp_path, Diagnosis(phase="\udc80"), {"a.log": "\udc80\n"})
    for name in written.files:
        (written.folder / name).read_text(encoding="utf-8")
    json.loads((written.folder / "diagnosis.json").read_text(encoding="utf-8"))
