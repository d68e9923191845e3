"""Why a configuration does not load, by its text."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.frameworks.mmengine.config import faults, load_errors


def write(folder: Path, **files: str | bytes) -> Path:
    for name, text in files.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.py").write_bytes(data)
    return folder / "config.py"


@pytest.mark.parametrize(
    "files",
    [
        {"config": "_base_ = ['./one.py', './two.py']\nmodel = {}", "one": "a = 1", "two": "b = 1"},
        {"config": "_base_ = './one.py'\nimport os\nx = os.sep", "one": "a = 1"},
        {"config": "from mmengine import read_base\nwith read_base():\n    from .one import *"},
        {"config": "import os\nx = os.getcwd()"},
        {"config": "_base_ = ['pkg::one.py']"},
        {"config": "_base_ = ['./one.py', './two.py']", "one": "_x = 1\na = 1", "two": "b = 2"},
        {"config": "model = dict(type='A')\r\nx = 1\r\n"},
        {"config": "# 中文\nmodel = dict(type='A')"},
    ],
)
def test_sound_files(tmp_path: Path, files: dict[str, str]) -> None:
    found = faults.find(write(tmp_path, **files))
    assert found is None or not found.is_certain


@pytest.mark.parametrize(
    ("files", "facts"),
    [
        (
            {"config": "_base_ = ['./one.py' './two.py']", "one": "", "two": ""},
            ("comma", "['./one.py', './two.py']"),
        ),
        ({"config": "_base_ = ['../one.py']", "one": ""}, ("one.py", "correct the name")),
        ({"config": "_base_ = 'the_one.py'", "the-one": ""}, ("the_one.py", "the-one.py")),
        ({"config": "_base_ = 'one.py'", "one": "_base_ = 'gone.py'"}, ("one.py line 1", "gone")),
        ({"config": "_base_ = 'one.py'", "one": "_base_ = 'config.py'"}, ("circle", "one.py")),
        (
            {"config": "_base_ = ['one.py', 'two.py']", "one": "model = 1", "two": "model = 2"},
            ("model", "two bases"),
        ),
        ({"config": "import torch\n_base_ = 'one.py'", "one": ""}, ("torch", "below _base_")),
        ({"config": "_base_ = 'one.py'", "one": "import torch"}, ("torch", "one.py")),
        ({"config": "print 'x'"}, ("line 1", "Python 2")),
        ({"config": "if 1:\n        a = 1\n\tb = 2\n"}, ("TabError", "expand")),
        ({"config": "a = dict(\nb = 1\n"}, ("never closed", "line 1")),
        ({"config": b"\xef\xbb\xbfmodel = 1"}, ("byte order mark", "UTF-8")),
        ({"config": "# 中文".encode("gbk")}, ("GBK", "iconv")),
        ({"config": "filename = 'a'"}, ("filename", "another name")),
    ],
)
def test_faults_name_the_place_and_what_to_do(
    tmp_path: Path, files: dict[str, str | bytes], facts: tuple[str, ...]
) -> None:
    found = faults.find(write(tmp_path, **files))
    assert found is not None
    assert found.is_certain
    for fact in facts:
        assert fact in found.text + found.do


def test_a_module_that_is_built_in_only_for_some_pythons(tmp_path: Path) -> None:
    path = write(tmp_path, config="import os\n_base_ = 'one.py'", one="")
    found = faults.find(path)
    assert found is not None
    assert not found.is_certain
    assert load_errors.explained(path, "KeyError", "something else") is None
    known = load_errors.explained(path, "ConfigParsingError", "the inheritance chain must match")
    assert known == found


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Failed to import custom modules from {'imports': ['a.b']}, the current", "a.b"),
        ("No module named 'projects.x'", "PYTHONPATH"),
        ("x cannot be inherited; set `_delete_=True` in your config", "_delete_=True"),
    ],
)
def test_errors_of_loading(tmp_path: Path, text: str, fact: str) -> None:
    found = load_errors.explained(write(tmp_path, config="a = 1"), "ImportError", text)
    assert found is not None
    assert fact in found.text + found.do


@pytest.mark.parametrize(
    ("cause", "fact"),
    [
        ("ModuleNotFoundError: No module named 'a'", "PYTHONPATH"),
        ("ModuleNotFoundError: No module named 'timm'", "imports timm"),
        ("KeyError: 'Head is already registered'", "already registered"),
    ],
)
def test_what_an_import_of_custom_modules_began_with(tmp_path: Path, cause: str, fact: str) -> None:
    text = "Failed to import custom modules from {'imports': ['a.b']}, the current"
    found = load_errors.explained(write(tmp_path, config="a = 1"), "ImportError", text, cause)
    assert found is not None
    assert fact in found.text + found.do
