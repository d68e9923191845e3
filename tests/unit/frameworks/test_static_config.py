"""Configurations as text: what they assign is read, nothing of them is executed."""

from __future__ import annotations

import ast
import json
import math

import pytest
from dualwatch.core.unread import is_unread
from dualwatch.frameworks.mmengine.config.static import MAX_CHARS, read
from hypothesis import given, settings
from hypothesis import strategies as st

LOADER = """train_dataloader = dict(
    batch_size=4,
    num_workers=2,  # kept
    dataset=dict(type='RepeatDataset', times=5),
)"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x = 1", 1),
        ("x = -1.5e-3", -0.0015),
        ("x = +2", 2),
        ("x = None", None),
        ("x = 'a' 'b'", "ab"),
        ("x = 'caf\u00e9 \u2713'", "caf\u00e9 \u2713"),
        ("x = [1, (2, 3), {'a': True}]", [1, (2, 3), {"a": True}]),
        ("x = dict(type='A', b=dict())", {"type": "A", "b": {}}),
        ("x = dict(dict(a=1), b=2)", {"a": 1, "b": 2}),
        ("y = dict(a=1)\nx = dict(**y, b=2)", {"a": 1, "b": 2}),
        ("y = dict(a=1)\nx = {**y, 'b': 2}", {"a": 1, "b": 2}),
        ("y = [1]\nx = [*y, 2]", [1, 2]),
        ("y = [1]\nx = y + [2]", [1, 2]),
        ("y = 'data/'\nx = y + 'train'", "data/train"),
        ("n = 4\nx = 2 * n - 1", 7),
        ("x = 1\nx += 2", 3),
        ("y = x = 5", 5),
        ("x: int = 5", 5),
        ("x = [1, 2]\nx[0] = 3", [3, 2]),
        ("x = dict(a=dict(b=1))\nx['a']['b'] = 2", {"a": {"b": 2}}),
        ("x = dict(a=1)\nx.update(b=2)", {"a": 1, "b": 2}),
        ("y = dict(a=[7])\nx = y['a'][0]", 7),
        ("x = tuple([1])", (1,)),
        ("x = dict(a=1, b=2)\nx.pop('b')", {"a": 1}),
        ("x = dict(a=1, b=2)\ndel x['b']", {"a": 1}),
        ("x = inf", float("inf")),
        ("x = -inf", float("-inf")),
        ("x = float('-Infinity')", float("-inf")),
        ("inf = 3\nx = inf", 3),
        ("\ufeffx = 1", 1),
        ("x = 1\r\ny = 2\r", 1),
    ],
)
def test_plain_values_are_read(text, value) -> None:
    found = read(text)
    assert (found.values["x"], found.problems) == (value, ())


@pytest.mark.parametrize("text", ["x = nan", "x = float('nan')"])
def test_not_a_number_is_a_number(text) -> None:
    assert math.isnan(read(text).values["x"])


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').getcwd()",
        "open('/etc/passwd').read()",
        "f'{1}'",
        "lambda: 1",
        "[i for i in range(3)]",
        "unheard_of",
        "{1, 2}",
        "1 if 2 else 3",
        "2 ** 999999999",
        "10**15 * 10**15 * 10**15",
        "1 / 0",
        "b'bytes'",
        "{[]: 1}",
        "[1][5]",
        "dict(1, 2)",
        "'a' + 1",
        "-'a'",
        "'{{$LLVIP_ROOT:data/LLVIP}}'",
        "{{_base_.model}}",
    ],
)
def test_everything_else_is_marked_as_not_read(expression) -> None:
    value = read(f"x = {expression}\ny = dict(a=x)").values
    assert is_unread(value["x"])
    assert is_unread(value["y"]["a"])


def test_the_mark_quotes_what_stands_there() -> None:
    text = "x = ['\u2713', compute(1), 2]"
    assert read(text).values["x"] == ["\u2713", "<not read: compute(1)>", 2]


@pytest.mark.parametrize(
    "statement",
    [
        "x['b'].append(1)",
        "x.popitem()",
        "patch(x)",
        "patch(1, b=x['a'])",
        "for i in range(3): x['a'] = i",
        "if True:\n    x = 2",
        "import x",
        "from m import y as x",
        "def x(): pass",
        "del x[0]",
        "x, y = 1, 2",
        "x.a = 1",
        "with z: x.a = 1",
        "x[y] = 1",
    ],
)
def test_what_a_statement_may_have_changed_is_unread(statement) -> None:
    found = read(f"x = dict(a=1)\nw = 1\n{statement}")
    assert is_unread(found.values["x"])
    assert found.values["w"] == 1
    assert found.problems[0].startswith("line 3 is not followed: ")


def test_what_is_not_executed_leaves_no_trace(tmp_path) -> None:
    trace = tmp_path / "trace"
    read(f"import pathlib\nx = pathlib.Path({str(trace)!r}).write_text('ran')")
    read(f"x = dict(a=open({str(trace)!r}, 'w'))")
    assert not trace.exists()


def test_a_section_as_it_is_written() -> None:
    found = read(
        f"'''A tiny one.'''\nwork_dir = './w'\n{LOADER}\nn = 1; m = dict(a='\u2713'); o = 2"
    )
    assert found.written["train_dataloader"] == LOADER
    assert found.written["m"] == "m = dict(a='\u2713')"
    assert found.problems == ()


def test_later_changes_belong_to_what_is_written() -> None:
    found = read(f"{LOADER}\ntrain_dataloader['num_workers'] = 0\ntrain_dataloader.update(a=1)")
    assert found.written["train_dataloader"].splitlines()[-2:] == [
        "train_dataloader['num_workers'] = 0",
        "train_dataloader.update(a=1)",
    ]
    assert found.values["train_dataloader"]["num_workers"] == 0


# --- documents -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "form"), [('{"a": {"b": [1, null]}}', "json"), ("a:\n  b: [1, null]\n", "yaml")]
)
def test_documents_are_read(text, form) -> None:
    if form == "yaml":
        pytest.importorskip("yaml")
    assert read(text, form).values == {"a": {"b": [1, None]}}


@pytest.mark.parametrize(
    ("text", "form", "problem"),
    [
        ("{", "json", "JSONDecodeError"),
        ("[1]", "json", "no mapping"),
        ("a: [", "yaml", "Error"),
        ("- a", "yml", "no mapping"),
        ("!!python/object/apply:os.getcwd []", "yaml", "ConstructorError"),
        ("x = (", "py", "SyntaxError"),
        ("x = '\x00'", "py", "null bytes"),
        ("x" * (MAX_CHARS + 1), "py", "too long"),
    ],
    ids=lambda value: value[:20],
)
def test_what_cannot_be_read_is_said(text, form, problem) -> None:
    if form in ("yaml", "yml"):
        pytest.importorskip("yaml")
    found = read(text, form)
    assert found.values == {}
    assert problem in found.problems[0]


# --- hostile ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 5000,
        "x = " + "1+" * 100_000 + "1",
        "x = " + "-" * 100_000 + "1",
        "x = a" + ".b" * 100_000,
        "a = [1, 2]\n" + "a = [a, a]\n" * 80,
        "a = 'ab'\n" + "a = a + a\n" * 80,
        "a = [1]\n" + "a += a\n" * 80,
        "a = [1]\n" + "a = [*a, *a]\n" * 80,
        "a = {}\nb = a\n" + "".join(f"a['x{i}'] = b\n" for i in range(80)),
        "a = {}\na['me'] = a\na.update(again=a)",
        "a = []\n" + "a = [a]\n" * 5000,
    ],
    ids=range(11),
)
def test_texts_that_would_never_end_do(text) -> None:
    json.dumps(read(text).values)


def test_yaml_that_stands_for_too_much_is_refused() -> None:
    pytest.importorskip("yaml")
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    assert "too many values" in read("\n".join(lines), "yaml").problems[0]
    assert read("a: &a [*a]", "yaml").values == {}


def test_a_big_file_is_read_whole() -> None:
    line = "    dict(type='A', a=1, b=[1, 2]),\n"
    found = read(f"x = [\n{line * 10_000}]\n{LOADER}\n")
    assert len(found.values["x"]) == 10_000
    assert found.written["train_dataloader"] == LOADER


@settings(max_examples=200, deadline=None)
@given(st.text(), st.sampled_from(["py", "json", "yaml"]))
def test_no_text_makes_it_raise(text, form) -> None:
    read(text, form)


PIECES = [
    "x",
    "y",
    " = ",
    "dict(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'a'",
    "1",
    ", ",
    "**",
    "*",
    "+",
    "-",
    "\n",
    ":",
    "a=",
    ".",
    "update(",
    "_base_",
    "'",
    '"',
    "\\",
    "if ",
    "✓",
    "{{",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_piece_of_python_makes_it_raise(text) -> None:
    found = read(text)
    json.dumps(list(found.values.items()))


NUMBERS = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text().filter(lambda text: "{{" not in text)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_what_python_writes_is_read_back(value) -> None:
    text = repr(value)
    assert read(f"x = {text}").values["x"] == ast.literal_eval(text)
