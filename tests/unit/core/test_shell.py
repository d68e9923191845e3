"""Commands to copy, for sh and for Windows' shells."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from dualwatch.core import shell

WORDS = (
    *("a", "", "two words", "it's", 'a "b"', "a&b", "1,2", "(x)", "C:\\Program Files\\x\\", "中文"),
    *("work_dirs\\my_run", "a\\\\", 'x\\"', "--cfg-options", "a.b=[1,2]", "a;b", "a|b"),
)


@pytest.mark.skipif(sys.platform == "win32", reason="sh is not Windows' shell")
def test_sh_takes_every_word_as_it_is() -> None:
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    command = shell.join([sys.executable, "-c", code, *WORDS])
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == list(WORDS)


@pytest.mark.skipif(sys.platform != "win32", reason="cmd is the shell of Windows")
@pytest.mark.parametrize("word", [word for word in WORDS if '"' not in word])
def test_cmd_takes_every_word_as_it_is(word, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "show.py").write_text("import json, sys; print(json.dumps(sys.argv[1:]))")
    command = shell.join([sys.executable, "show.py", word, "end"])
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [word, "end"]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("work_dirs\\my_run", "work_dirs\\my_run"),
        ("C:\\Program Files\\x\\", '"C:\\Program Files\\x\\\\"'),
        ('a "b"', '"a \\"b\\""'),
        ("1,2", '"1,2"'),
        ("", '""'),
    ],
)
def test_quoting_on_windows(word, quoted, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert shell.quote(word) == quoted


@pytest.mark.parametrize(
    ("system", "command"), [("linux", "kill 7 8"), ("win32", "taskkill /F /PID 7 /PID 8")]
)
def test_the_command_that_ends_processes(system, command, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert shell.end([7, 8]) == command
