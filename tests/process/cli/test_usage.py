"""Help, versions, wrong words: every answer has the right exit code and no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import dualwatch
import pytest
import typer
from dualwatch.cli import app
from dualwatch.cli.train import join_lists
from dualwatch.rules.catalog import CODES
from typer.testing import CliRunner

LEVELS = [
    [],
    *([command] for command in ("train", "attach", "check", "diagnose", "explain", "config")),
    ["config", "show"],
]


@pytest.mark.parametrize(
    ("level", "option"),
    [*((level, "--help") for level in LEVELS), ([], "-h"), (["config", "show"], "-h")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_help_on_every_level(dualwatch_, level, option) -> None:
    said = dualwatch_(*level, option)
    assert said.code == 0
    assert said.out.startswith(" ".join(["Usage: dualwatch", *level]))
    assert option in said.out
    assert said.err == ""
    assert max(map(len, said.out.splitlines())) <= 80


def every_command() -> list[list[str]]:
    """The words of each command there is, whoever adds one."""
    found: list[list[str]] = [[]]
    groups = [([], typer.main.get_command(app))]
    while groups:
        words, group = groups.pop()
        for name, command in getattr(group, "commands", {}).items():
            found.append([*words, name])
            groups.append(([*words, name], command))
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_help_ends_in_examples_that_run_this_command(words) -> None:
    text = CliRunner().invoke(app, [*words, "--help"], prog_name="dualwatch").output
    assert text.startswith(" ".join(["Usage: dualwatch", *words]))
    _, *parts = text.split("\n  Examples:\n")
    assert len(parts) == 1, "one part with examples"
    examples = []
    for line in parts[0].splitlines():
        if not line.startswith("    "):
            break
        examples.append(line.strip())
    assert examples
    called = " ".join(["dualwatch", *words])
    assert [example for example in examples if called in example] == examples
    assert max(map(len, examples)) <= 76, "they can be copied from a terminal of 80 columns"


def test_the_help_of_train_names_all_that_it_takes(dualwatch_) -> None:
    text = dualwatch_("train", "--help").out
    documented = set(text.replace(",", " ").split())
    assert documented >= {
        *("--work-dir", "--script", "--python", "--cfg-options", "--resume", "--amp"),
        *("--stall-timeout", "--busy-timeout", "--require", "--on-stall", "--on-missing"),
        *("--max-reruns", "--keep-effective-batch", "--no-keep-effective-batch", "--tensorboard"),
        *("--min-batch", "--rescue", "--no-rescue"),
        *("--no-tensorboard", "--port", "--nproc-per-node", "--nnodes", "--node-rank"),
        *("--rdzv-endpoint", "--dry-run", "--json", "--quiet", "-q"),
        *("--notify", "--metrics-port", "--metrics-host"),
    }
    assert "dualwatch train configs/my_config.py" in text


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version(dualwatch_, option) -> None:
    said = dualwatch_(option)
    assert (said.code, said.out, said.err) == (0, f"dualwatch {dualwatch.__version__}\n", "")


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dualwatch", "--version"],
        env={**os.environ, "PYTHONPATH": str(Path(dualwatch.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"dualwatch {dualwatch.__version__}\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ([], "Usage"),
        (["config"], "Usage"),
        (["--verion"], "--version"),
        (["tran"], "train"),
        (["config", "shw"], "show"),
        (["train"], "CONFIG"),
        (["train", "c.py", "--stal-timeout", "5m"], "--stall-timeout"),
        (["train", "c.py", "--cfg-option", "a=1"], "--cfg-options"),
        (["train", "c.py", "--stall-timeout"], "--stall-timeout"),
        (["train", "c.py", "--nnodes", "0"], "--nnodes"),
        (["train", "c.py", "--nproc-per-node", "two"], "--nproc-per-node"),
        (["explain", "DW102", "DW103"], "DW103"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_word_is_answered_with_the_nearest(dualwatch_, words, hint) -> None:
    said = dualwatch_(*words)
    assert said.code == 2
    assert hint in said.err + said.out


# --- settings --------------------------------------------------------------------------------


def test_all_wrong_settings_are_said_at_once(dualwatch_, tmp_path) -> None:
    (tmp_path / "dualwatch.toml").write_text("stall_timout = '5m'")
    said = dualwatch_(
        "train", "c.py", "--port", "high", "--on-stall", "explode", DUALWATCH_GRACE="never"
    )
    assert (said.code, said.out) == (2, "")
    for words in (
        "'stall_timeout'",
        "--port = 'high'",
        "--on-stall = 'explode'",
        "DUALWATCH_GRACE",
    ):
        assert words in said.err


def test_config_show_says_where_each_value_came_from(dualwatch_, tmp_path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dualwatch]\nport = 7000\n")
    said = dualwatch_("config", "show", DUALWATCH_STALL_TIMEOUT="2m")
    assert said.code == 0
    rows = {line.split()[0]: line for line in said.out.splitlines() if line[0] != " "}
    assert "120.0" in rows["stall_timeout"]
    assert "environment DUALWATCH_STALL_TIMEOUT" in rows["stall_timeout"]
    assert rows["port"].endswith(" pyproject.toml [tool.dualwatch]")
    assert "default" in rows["max_reruns"]
    assert "not set" in rows["require"]


def test_config_show_as_json(dualwatch_) -> None:
    document = json.loads(dualwatch_("config", "show", "--json", DUALWATCH_PORT="7000").out)
    assert document["schema_version"] == 1
    port = next(row for row in document["settings"] if row["name"] == "port")
    assert (port["value"], port["source"]) == (7000, "environment DUALWATCH_PORT")


def test_config_show_fits_a_terminal_whatever_is_set(dualwatch_, tmp_path) -> None:
    (tmp_path / "dualwatch.toml").write_text(
        "notify = [" + ", ".join(f'"json://{n}.{"x" * 40}.org/"' for n in range(5)) + "]\n"
        f'python = "/{"y" * 200}/python"\nrequire = ["loss_macl", "loss_{"z" * 90}"]\n'
    )
    said = dualwatch_("config", "show")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80
    assert "y" * 200 in "".join(said.out.split())


# --- explain ---------------------------------------------------------------------------------


def test_explain_lists_every_code(dualwatch_) -> None:
    said = dualwatch_("explain")
    assert said.code == 0
    listed = [line.split()[:2] for line in said.out.splitlines()]
    assert listed == [[entry.code, entry.name] for entry in CODES]


@pytest.mark.parametrize("word", ["DW102", "dw102", "stalled-training"])
def test_explain_takes_a_code_or_its_name(dualwatch_, word) -> None:
    said = dualwatch_("explain", word)
    assert said.code == 0
    for part in ("DW102 stalled-training (error)", "What it means", "Why it", "What to do"):
        assert part in said.out
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize(("word", "nearest"), [("DW8022", "DW802"), ("stalled-trainin", "stalled")])
def test_explain_of_an_unknown_code(dualwatch_, word, nearest) -> None:
    said = dualwatch_("explain", word)
    assert (said.code, said.out) == (2, "")
    assert word in said.err
    assert nearest in said.err.split("why:")[1]


def test_explain_as_json(dualwatch_) -> None:
    document = json.loads(dualwatch_("explain", "--json").out)
    assert document["schema_version"] == 1
    assert [entry["code"] for entry in document["codes"]] == [entry.code for entry in CODES]
    assert set(document["codes"][0]) >= {"code", "name", "severity", "means", "matters", "cure"}


# --- consoles --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["train", "--help"], 0),
        (["explain", "DW104"], 0),
        (["train", "naïve-中文-✓.py"], 2),
        (["train", "c.py", "--on-stall", "中文"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_no_encoding_raises(dualwatch_, words, code, encoding) -> None:
    assert dualwatch_(*words, encoding=encoding).code == code


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk"])
def test_a_process_raises_in_no_encoding(dualwatch_process, encoding) -> None:
    said = dualwatch_process("train", "naïve-中文-✓.py", encoding=encoding)
    assert (said.code, said.out) == (2, "")
    assert "do:" in said.err


LOG = """\
2026/11/23 06:20:46 - mmengine - INFO - Epoch(train)  [1][  50/22878]  lr: 1.0e-04  \
eta: 1 day, 2:00:00  time: 0.5  data_time: 0.1  loss: 0.9  loss_macl: 0.4123
2026/11/23 06:20:56 - mmengine - INFO - 训练 ✓ [bold]naïve[/bold] \x1b[31m数据\x1b[0m
RuntimeError: CUDA out of memory. 损坏的图像 ✗ /数据/可见光/000123.jpg
"""


@pytest.fixture
def material(tmp_path) -> None:
    """A log with words that few encodings hold, and a training of another framework."""
    (tmp_path / "训练.log").write_text(LOG, encoding="utf-8")
    (tmp_path / "run.ini").write_text("")
    (tmp_path / "mine.py").write_text("")


MODES = {
    "ascii, no colour": {"encoding": "ascii", "NO_COLOR": "1"},
    "cp1252": {"encoding": "cp1252", "FORCE_COLOR": "1"},
    "gbk": {"encoding": "gbk"},
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize(
    "words",
    [
        ["diagnose", "训练.log", "--no-bundle"],
        ["check", "训练.log"],
        ["check", "--list"],
        ["train", "run.ini", "--script", "mine.py", "--dry-run"],
        ["explain"],
        ["config", "show"],
        ["attach", "99999999"],
    ],
    ids=" ".join,
)
def test_every_command_in_every_console(dualwatch_, material, words, mode) -> None:
    """Piped, 80 columns: nothing raises, nothing is wider, no colour where none is wanted."""
    said = dualwatch_(*words, TERM="dumb", **mode)
    assert said.code in (0, 1, 2, 3)
    assert said.out + said.err
    # A path or a command to copy is not broken; all else is set to the width.
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.out)
    wide = [line for line in text.splitlines() if len(line) > 80]
    assert all(len(max(line.split(), key=len)) > 40 for line in wide), wide
    if "FORCE_COLOR" not in mode:
        assert "\x1b" not in said.out + said.err
    assert "\x1b[31m" not in said.err


@pytest.mark.parametrize("variable", ["NO_COLOR", "FORCE_COLOR"])
def test_errors_are_plain_text(dualwatch_, variable) -> None:
    for words in (["train", "nope.py"], ["train", "--nope"]):
        said = dualwatch_(*words, **{variable: "1"})
        assert "\x1b" not in said.out + said.err


def test_control_characters_of_a_name_do_not_reach_the_terminal(dualwatch_) -> None:
    said = dualwatch_("train", "\x1b]0;owned\x07\x1b[31m[bold]x[/bold].py")
    assert said.code == 2
    assert not set(said.err) & {"\x1b", "\x07"}
    assert "[bold]x[/bold].py" in said.err.replace("\\", "/")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_under_stdout_is_no_fault_of_ours(tmp_path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dualwatch", "explain"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(dualwatch.__file__).parents[1])},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "Traceback" not in done.stderr
    assert done.returncode not in (0, 70)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["explain", "DW102"], 0),
        (["explain", "--json"], 0),
        (["config", "show", "--json"], 0),
        (["check", "训练.log", "--json"], 1),
        (["check", "训练.log"], 1),
        (["diagnose", "训练.log", "--no-bundle", "--json"], 1),
        (["diagnose", "训练.log", "--no-bundle"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_reader_that_went_away_leaves_the_exit_code(tmp_path, material, words, code) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "dualwatch", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(dualwatch.__file__).parents[1])},
        stdout=writing,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    os.close(writing)
    assert "dualwatch:" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == code


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "cp1252", "ascii"])
def test_a_document_is_the_same_in_every_encoding(dualwatch_, material, encoding) -> None:
    """A character that a code page lacks is not lost inside the document."""
    said = dualwatch_("diagnose", "训练.log", "--no-bundle", "--json", encoding=encoding)
    document = json.loads(said.out)
    assert "训练.log" in str(document["target"])
    assert any("✓" in line for line in document["log_tail"])


# --- start-up --------------------------------------------------------------------------------

HEAVY = ("torch", "mmengine", "rich", "psutil", "pynvml", "numpy", "tensorboard")
WHAT_IS_LOADED = """
import sys
from dualwatch.cli import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
sys.stderr.write("LOADED " + " ".join(sorted({name.split(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["explain"], ["config", "show"]]
)
def test_a_quick_answer_loads_nothing_heavy(tmp_path, words) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHAT_IS_LOADED, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(dualwatch.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stderr.split("LOADED ")[1].split()
    assert "typer" in loaded
    assert not set(loaded) & set(HEAVY)


# --- lists -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ("train c.py", "train c.py"),
        ("train c.py --cfg-options a=1", "train c.py --cfg-options a=1"),
        ("c.py --cfg-options a=1 b=2", "c.py --cfg-options a=1 --cfg-options b=2"),
        ("--cfg-options a=1 b=2 --amp", "--cfg-options a=1 --cfg-options b=2 --amp"),
        ("--cfg-options a=1 c.py b=2", "--cfg-options a=1 c.py b=2"),
        (
            "--cfg-options a=1 --resume --cfg-options b=2 c=3",
            "--cfg-options a=1 --resume --cfg-options b=2 --cfg-options c=3",
        ),
        ("--cfg-options a=[1,2] b='x y'", "--cfg-options a=[1,2] --cfg-options b='x y'"),
        (
            "--cfg-options a=1 -- --cfg-options b=2 c=3",
            "--cfg-options a=1 -- --cfg-options b=2 c=3",
        ),
        ("c.py -- --cfg-options a=1 b=2", "c.py -- --cfg-options a=1 b=2"),
        ("--require a --require b", "--require a --require b"),
        ("", ""),
    ],
)
def test_several_values_of_one_option(words, joined) -> None:
    assert join_lists(words.split(" ")) == joined.split(" ")


@pytest.mark.parametrize("words", [["--cfg-options"], ["c.py", "--cfg-options", "--amp"]], ids=str)
def test_an_option_without_its_value_does_not_vanish(words) -> None:
    assert "--cfg-options" in join_lists(words)


def test_the_first_value_may_be_glued_on() -> None:
    assert join_lists(["--cfg-options=a=1", "b=2"]) == ["--cfg-options=a=1", "--cfg-options", "b=2"]


def test_no_summary_of_a_command_is_cut(dualwatch_):
    summaries = dualwatch_("--help").out.split("Commands:")[1].split("Examples:")[0]
    assert "..." not in summaries
